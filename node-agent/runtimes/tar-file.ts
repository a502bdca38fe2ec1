import { buffer } from 'node:stream/consumers'

export interface TarFile {
  readonly content: string
  /** What it points to, where it is a symbolic link. */
  readonly linkTo: string | undefined
}

const blockBytes = 512

/** The first file or link of a small tar archive (ustar, POSIX.1-1988); undefined when it holds none. */
export async function firstTarFile(stream: NodeJS.ReadableStream): Promise<TarFile | undefined> {
  const archive = await buffer(stream)
  for (let at = 0; at + blockBytes <= archive.length; ) {
    const header = archive.subarray(at, at + blockBytes)
    const size = Number.parseInt(field(header, 124, 12), 8)
    const type = field(header, 156, 1)
    if (Number.isNaN(size)) return undefined
    const start = at + blockBytes
    if (type === '2') return { content: '', linkTo: field(header, 157, 100) }
    if (type === '0' || type === '')
      return { content: archive.toString('utf8', start, start + size), linkTo: undefined }
    at = start + Math.ceil(size / blockBytes) * blockBytes
  }
  return undefined
}

function field(header: Buffer, start: number, length: number): string {
  return header.toString('latin1', start, start + length).replace(/\0.*$/s, '')
}
