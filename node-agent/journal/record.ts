import { crc32 } from 'node:zlib'
import type { AttemptId } from '../../proto/model/attempt.js'

// One record in a segment: length (4 bytes), checksum (4), then the body: kind (1), run (6), attempt (4), payload. Numbers
// are little-endian. Each checksum continues from the one before, the first from the segment's header, so that bytes left
// from a torn write or from the segment's earlier life never pass for the next record.

/**
 * - `assigned`: begins an attempt. The payload is its assignment.
 * - `report`, `fact`: what happened since, in order.
 * - `forgotten`: nothing of the attempt counts any more.
 * - `moved`: all records of an attempt once more, in one; what stands before it may go. The payload is whole records.
 * - `node`: what is known beside attempts; the newest counts.
 * - `end`: the segment is full, the next one goes on.
 */
export const entryKinds = ['end', 'assigned', 'report', 'fact', 'forgotten', 'moved', 'node'] as const
export type EntryKind = (typeof entryKinds)[number]

export interface Entry {
  readonly kind: EntryKind
  readonly id: AttemptId
  readonly payload: Buffer
}

export const noAttempt: AttemptId = { runId: 0, attempt: 0 }

const prefixBytes = 8
const bodyBytes = 11
export const overheadBytes = prefixBytes + bodyBytes

/** With the checksum that the next record continues from. */
export function encodeRecord(
  entry: Entry,
  chain: number,
): { readonly bytes: Buffer; readonly chain: number } {
  const bytes = Buffer.allocUnsafe(overheadBytes + entry.payload.length)
  bytes.writeUInt32LE(bodyBytes + entry.payload.length, 0)
  bytes[prefixBytes] = entryKinds.indexOf(entry.kind)
  bytes.writeUIntLE(entry.id.runId, prefixBytes + 1, 6)
  bytes.writeUInt32LE(entry.id.attempt, prefixBytes + 7)
  entry.payload.copy(bytes, overheadBytes)
  const next = crc32(bytes.subarray(prefixBytes), chain)
  bytes.writeUInt32LE(next, 4)
  return { bytes, chain: next }
}

export interface ReadRecords {
  readonly entries: readonly Entry[]
  /** Where the next record goes. */
  readonly tail: number
  readonly chain: number
}

/** Every whole record from `start` on; ends at the first that is none. */
export function decodeRecords(bytes: Buffer, start: number, firstChain: number): ReadRecords {
  const entries: Entry[] = []
  let tail = start
  let chain = firstChain
  while (tail + overheadBytes <= bytes.length) {
    const length = bytes.readUInt32LE(tail)
    const bodyEnd = tail + prefixBytes + length
    if (length < bodyBytes || bodyEnd > bytes.length) break
    const body = bytes.subarray(tail + prefixBytes, bodyEnd)
    const next = crc32(body, chain)
    const kind = entryKinds[body[0] ?? 0]
    if (next !== bytes.readUInt32LE(tail + 4) || kind === undefined) break
    const id = { runId: body.readUIntLE(1, 6), attempt: body.readUInt32LE(7) }
    entries.push({ kind, id, payload: Buffer.from(body.subarray(bodyBytes)) })
    tail = bodyEnd
    chain = next
  }
  return { entries, tail, chain }
}

/** The payload of a `moved` record. */
export function pack(entries: readonly Entry[]): Buffer {
  return Buffer.concat(entries.map((entry) => encodeRecord(entry, 0).bytes))
}

export function unpack(payload: Buffer): readonly Entry[] {
  const entries: Entry[] = []
  let at = 0
  while (at < payload.length) {
    const length = prefixBytes + payload.readUInt32LE(at)
    entries.push(...decodeRecords(payload.subarray(at, at + length), 0, 0).entries)
    at += length
  }
  return entries
}
