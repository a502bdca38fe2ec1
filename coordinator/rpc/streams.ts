import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { messageOf, RpcError } from '../../common/errors.js'

/** Messages of a call as they come; read no faster than the loop takes them. Leaving the loop leaves the call open. */
export async function* messagesOf<Message>(
  stream: Readable,
  decode: (bytes: Buffer) => Message,
): AsyncGenerator<Message, void, undefined> {
  for await (const bytes of stream.iterator({ destroyOnReturn: false })) yield decodeOrRefuse(decode, bytes)
}

/** Writes one message; waits while the other side is behind. Rejects with the signal's reason. */
export async function writeTo(stream: Writable, bytes: Buffer, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  if (!stream.write(bytes)) await once(stream, 'drain', { signal })
}

/** Bytes that are no such message are the caller's mistake. */
export function decodeOrRefuse<Message>(decode: (bytes: Buffer) => Message, bytes: Buffer): Message {
  try {
    return decode(bytes)
  } catch (error) {
    throw new RpcError('INVALID_ARGUMENT', `The message could not be read: ${messageOf(error)}.`)
  }
}
