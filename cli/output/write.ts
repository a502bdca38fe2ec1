import { once } from 'node:events'

/** Writes and waits while the reader is behind, so that a fast log never piles up in memory. */
export async function write(stream: NodeJS.WriteStream, bytes: string | Uint8Array): Promise<void> {
  if (!stream.write(bytes)) await once(stream, 'drain')
}
