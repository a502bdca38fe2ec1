import { randomBytes } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { RpcError } from '../../common/errors.js'
import { decodeRecords, encodeRecord, noAttempt, overheadBytes, type ReadRecords } from './record.js'

// A segment is a file of fixed size, written once with zeros so that its blocks belong to it for good: later writes need
// no space and no metadata. Its header: magic (4), version (4), sequence number (6), salt (8), checksum (4). A segment that
// is used again gets another header, which makes everything behind it void.

const magic = Buffer.from('SPLJ')
const version = 1
export const headerBytes = 32
const checkedBytes = 22

/** Full of records, or being filled. */
export interface Segment {
  readonly file: string
  readonly handle: FileHandle
  readonly sequence: number
  /** Attempts with a record here. */
  readonly attempts: Set<string>
  tail: number
  chain: number
}

/** A record that says "goes on in the next" always has room. */
export const endBytes = overheadBytes

/** Writes every byte of a new file. Throws ENOSPC, leaving the caller to remove it. */
export async function preallocate(file: string, sizeBytes: number): Promise<void> {
  const handle = await open(file, 'w')
  try {
    const zeros = Buffer.alloc(Math.min(sizeBytes, 1 << 20))
    for (let at = 0; at < sizeBytes; )
      at += (await handle.write(zeros, 0, Math.min(zeros.length, sizeBytes - at), at)).bytesWritten
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Begins a segment in a preallocated file; durable when this resolves, but for the file's name. */
export async function beginSegment(handle: FileHandle, file: string, sequence: number): Promise<Segment> {
  const header = Buffer.alloc(headerBytes)
  magic.copy(header)
  header.writeUInt32LE(version, 4)
  header.writeUIntLE(sequence, 8, 6)
  randomBytes(8).copy(header, 14)
  const chain = crc32(header.subarray(0, checkedBytes))
  header.writeUInt32LE(chain, checkedBytes)
  await writeAll(handle, header, 0)
  await handle.datasync()
  return { file, handle, sequence, attempts: new Set(), tail: headerBytes, chain }
}

/** Throws DATA_LOSS for a file that is no segment, FAILED_PRECONDITION for one of another version. */
export async function readSegment(
  file: string,
): Promise<{ readonly segment: Segment; readonly records: ReadRecords }> {
  const handle = await open(file, 'r+')
  const bytes = await handle.readFile()
  let chain: number
  try {
    chain = headerChain(bytes, file)
  } catch (error) {
    await handle.close()
    throw error
  }
  const records = decodeRecords(bytes, headerBytes, chain)
  const sequence = bytes.readUIntLE(8, 6)
  const segment = { file, handle, sequence, attempts: new Set<string>() }
  return { segment: { ...segment, tail: records.tail, chain: records.chain }, records }
}

function headerChain(bytes: Buffer, file: string): number {
  const chain = crc32(bytes.subarray(0, checkedBytes))
  const whole = bytes.length >= headerBytes && bytes.subarray(0, 4).equals(magic)
  if (!whole || chain !== bytes.readUInt32LE(checkedBytes))
    throw new RpcError('DATA_LOSS', `The journal's file ${file} is damaged: it has no header.`)
  const written = bytes.readUInt32LE(4)
  if (written === version) return chain
  const sentence = `The journal in ${file} is of version ${written}; this agent reads version ${version}.`
  throw new RpcError('FAILED_PRECONDITION', sentence)
}

export function endRecord(chain: number): Buffer {
  return encodeRecord({ kind: 'end', id: noAttempt, payload: Buffer.alloc(0) }, chain).bytes
}

export async function writeAll(handle: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const left = bytes.length - written
    written += (await handle.write(bytes, written, left, position + written)).bytesWritten
  }
}
