import protobuf from 'protobufjs/minimal.js'
import type { Compare, Entry, Put, RangePage, RangeQuery, Transaction, TransactionAnswer } from './etcd.js'

// The bytes of etcd's two busy calls, written and read by hand. etcd3's own way, by reflection over the .proto file, costs
// several times the CPU for a transaction of a hundred operations, and its answer repeats a header for each of them.
// Field numbers: https://github.com/etcd-io/etcd/blob/v3.4.23/etcdserver/etcdserverpb/rpc.proto

type Writer = protobuf.Writer
type Reader = protobuf.Reader

/** Wire types of protobuf: a varint, and something with its length before it. */
const varint = 0
const bytes = 2
const field = (number: number, wireType: number) => (number << 3) | wireType

const compareTarget = { createRevision: 1, value: 3 } as const
const compareUnion = { createRevision: 5, value: 7 } as const

export function encodeTransaction(transaction: Transaction): Buffer {
  const writer = protobuf.Writer.create()
  for (const compare of transaction.compares) writeCompare(writer, compare)
  for (const put of transaction.puts ?? []) writePut(writer, put)
  for (const key of transaction.deletes ?? []) writeKeyOperation(writer, 2, 3, key)
  for (const key of transaction.reads ?? []) writeKeyOperation(writer, 2, 1, key)
  for (const key of transaction.readsInstead ?? []) writeKeyOperation(writer, 3, 1, key)
  return writer.finish() as Buffer
}

export function decodeTransactionAnswer(buffer: Buffer): TransactionAnswer {
  const answer = { succeeded: false, revision: 0, entries: [] as (Entry | undefined)[] }
  readFields(protobuf.Reader.create(buffer), buffer.length, {
    1: (reader, end) => {
      answer.revision = readHeader(reader, end)
    },
    2: (reader) => {
      answer.succeeded = reader.bool()
    },
    3: (reader, end) => {
      readFields(reader, end, {
        1: (range, rangeEnd) => answer.entries.push(readRange(range, rangeEnd).entries[0]),
      })
    },
  })
  return answer
}

export function encodeRange(query: RangeQuery): Buffer {
  const writer = protobuf.Writer.create()
  writer.uint32(field(1, bytes)).string(query.from ?? query.prefix)
  writer.uint32(field(2, bytes)).bytes(endOfPrefix(query.prefix))
  writer.uint32(field(3, varint)).int64(query.limit)
  if (query.revision !== undefined) writer.uint32(field(4, varint)).int64(query.revision)
  return writer.finish() as Buffer
}

export function decodeRangePage(buffer: Buffer): RangePage {
  const { entries, more, revision } = readRange(protobuf.Reader.create(buffer), buffer.length)
  const last = entries.at(-1)
  // The smallest key above `last` is `last` with a zero byte after it.
  return more && last ? { entries, revision, next: `${last.key}\0` } : { entries, revision }
}

/** The smallest key that doesn't begin with `prefix`: etcd's `range_end`. All of etcd for the empty prefix. */
function endOfPrefix(prefix: string): Buffer {
  const end = Buffer.from(prefix)
  for (let at = end.length - 1; at >= 0; at -= 1) {
    const byte = end[at]
    if (byte === undefined || byte === 0xff) continue
    end[at] = byte + 1
    return end.subarray(0, at + 1)
  }
  return Buffer.from([0])
}

function writeCompare(writer: Writer, compare: Compare): void {
  // `result` is EQUAL, which is 0 and therefore not written.
  writer.uint32(field(1, bytes)).fork()
  writer.uint32(field(2, varint)).int32(compareTarget[compare.kind])
  writer.uint32(field(3, bytes)).string(compare.key)
  if (compare.kind === 'value') writer.uint32(field(compareUnion.value, bytes)).string(compare.equals)
  else writer.uint32(field(compareUnion.createRevision, varint)).int64(compare.equals)
  writer.ldelim()
}

function writePut(writer: Writer, put: Put): void {
  writer.uint32(field(2, bytes)).fork().uint32(field(2, bytes)).fork()
  writer.uint32(field(1, bytes)).string(put.key)
  writer.uint32(field(2, bytes)).string(put.value)
  if (put.leaseId !== undefined) writer.uint32(field(3, varint)).int64(longFromDecimal(put.leaseId))
  writer.ldelim().ldelim()
}

/** In `branch` (2 on success, 3 on failure) a request of kind `request` (1 range, 3 delete) for one key. */
function writeKeyOperation(writer: Writer, branch: number, request: number, key: string): void {
  writer.uint32(field(branch, bytes)).fork().uint32(field(request, bytes)).fork()
  writer.uint32(field(1, bytes)).string(key)
  writer.ldelim().ldelim()
}

function readHeader(reader: Reader, end: number): number {
  let revision = 0
  readFields(reader, end, {
    3: () => {
      revision = readNumber(reader)
    },
  })
  return revision
}

function readRange(reader: Reader, end: number) {
  const range = { entries: [] as Entry[], more: false, revision: 0 }
  readFields(reader, end, {
    1: (_, headerEnd) => {
      range.revision = readHeader(reader, headerEnd)
    },
    2: (_, entryEnd) => range.entries.push(readEntry(reader, entryEnd)),
    3: () => {
      range.more = reader.bool()
    },
  })
  return range
}

function readEntry(reader: Reader, end: number): Entry {
  const entry = { key: '', value: '', createRevision: 0, modRevision: 0 }
  let leaseId = '0'
  while (reader.pos < end) {
    const tag = reader.uint32()
    if (tag === field(1, bytes)) entry.key = reader.string()
    else if (tag === field(2, varint)) entry.createRevision = readNumber(reader)
    else if (tag === field(3, varint)) entry.modRevision = readNumber(reader)
    else if (tag === field(5, bytes)) entry.value = reader.string()
    else if (tag === field(6, varint)) leaseId = String(reader.int64())
    else reader.skipType(tag & 7)
  }
  return leaseId === '0' ? entry : { ...entry, leaseId }
}

type FieldReaders = Readonly<Record<number, (reader: Reader, end: number) => void>>

/** Walks one message up to `end`; a message within is announced with where it ends, what nobody reads is skipped. */
function readFields(reader: Reader, end: number, readers: FieldReaders): void {
  while (reader.pos < end) {
    const tag = reader.uint32()
    const read = readers[tag >>> 3]
    if (!read) reader.skipType(tag & 7)
    else if ((tag & 7) === bytes) readMessage(reader, read)
    else read(reader, end)
  }
}

function readMessage(reader: Reader, read: (reader: Reader, end: number) => void): void {
  const length = reader.uint32()
  read(reader, reader.pos + length)
}

function readNumber(reader: Reader): number {
  const value: number | protobuf.Long = reader.int64()
  return typeof value === 'number' ? value : value.high * 2 ** 32 + (value.low >>> 0)
}

function longFromDecimal(decimal: string): protobuf.Long {
  const value = BigInt.asUintN(64, BigInt(decimal))
  return { low: Number(value & 0xffffffffn), high: Number(value >> 32n), unsigned: false } as protobuf.Long
}
