import { crc32 } from 'node:zlib'
import type { AttemptId } from '../../proto/model/attempt.js'

// One record of a pack: `SPL1` (4 bytes), checksum of what follows (4), run (6), attempt (4), length (4), the bytes.
// Numbers are little-endian.

const magic = Buffer.from('SPL1')
const headerBytes = 22
const checkedFrom = 8

export function encodePacked({ id, data }: { readonly id: AttemptId; readonly data: Uint8Array }): Buffer {
  const bytes = Buffer.allocUnsafe(headerBytes + data.length)
  magic.copy(bytes)
  bytes.writeUIntLE(id.runId, 8, 6)
  bytes.writeUInt32LE(id.attempt, 14)
  bytes.writeUInt32LE(data.length, 18)
  bytes.set(data, headerBytes)
  bytes.writeUInt32LE(crc32(bytes.subarray(checkedFrom)), 4)
  return bytes
}

/** Where the bytes of each whole record are; ends at the first that is none. */
export function decodePack(
  bytes: Buffer,
): readonly { readonly id: AttemptId; readonly at: number; readonly length: number }[] {
  const found: { id: AttemptId; at: number; length: number }[] = []
  for (let start = 0; start + headerBytes <= bytes.length; ) {
    const length = bytes.readUInt32LE(start + 18)
    const end = start + headerBytes + length
    if (end > bytes.length || !bytes.subarray(start, start + 4).equals(magic)) break
    if (crc32(bytes.subarray(start + checkedFrom, end)) !== bytes.readUInt32LE(start + 4)) break
    const id = { runId: bytes.readUIntLE(start + 8, 6), attempt: bytes.readUInt32LE(start + 14) }
    found.push({ id, at: start + headerBytes, length })
    start = end
  }
  return found
}
