import { isUtf8 } from 'node:buffer'

// A file's name on Linux is bytes, in a string of ours it must be text. A name that is not UTF-8 keeps its bytes from 0x80
// on as the lone surrogates U+DC80 to U+DCFF (as Python's surrogateescape does), which no real name holds.

export function nameFromBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8')
  return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte)).join('')
}

/** What the file system is to be asked for. */
export function bytesFromName(name: string): string | Buffer {
  if (!hasRawBytes(name)) return name
  const pieces = name.split(/([\udc80-\udcff])/)
  return Buffer.concat(
    pieces.map((piece) =>
      piece.length === 1 && hasRawBytes(piece)
        ? Buffer.from([piece.charCodeAt(0) - 0xdc00])
        : Buffer.from(piece),
    ),
  )
}

export function hasRawBytes(name: string): boolean {
  return /\p{Surrogate}/u.test(name)
}

/** As Unicode that people and other systems can use: raw bytes as `%FF`. */
export function printableName(name: string): string {
  return name.replace(
    /\p{Surrogate}/gu,
    (raw) => `%${(raw.charCodeAt(0) - 0xdc00).toString(16).toUpperCase().padStart(2, '0')}`,
  )
}
