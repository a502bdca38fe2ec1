import { close, constants, fstat, open, read, write } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { systemCode } from '../../spellfs/disk-errors.js'

// When the bytes of a log came in, so that it can be shown again at its run's own speed: a file `<run>.<attempt>.times`
// beside the log, of records of 12 bytes: offset (6 bytes), milliseconds since 1970 (6), little-endian. What is from an
// offset on came at that time. Nothing depends on it: it is written without a sync, and what a crash takes along is missing.

const openFile = promisify(open)
const closeFile = promisify(close)
const fileFacts = promisify(fstat)
const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW } = constants
const readBytes: (
  fd: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  at: number,
) => Promise<{ bytesRead: number }> = promisify(read)
const writeBytes: (fd: number, bytes: Uint8Array) => Promise<{ bytesWritten: number }> = promisify(write)

const recordBytes = 12
/**
 * No two records are nearer to each other than this, in milliseconds, nor than such a part of the log's age: however long
 * a run lasts, its times stay small.
 */
const finest = { ms: 250, partOfAge: 16_384 }
/** So many wait in memory for one write. */
const recordsInWrite = 32

export interface LogTime {
  /** First byte that came then. */
  readonly offset: number
  readonly atMs: number
}

/** Notes the times of one log that is being written. */
export class LogTimes {
  readonly #path: string
  #waiting: LogTime[] = []
  #firstMs: number | undefined
  #lastMs = Number.NEGATIVE_INFINITY
  /** They can't be written: what came until then is kept, and nothing more. */
  #failed = false

  constructor(path: string) {
    this.#path = path
  }

  /** What begins at `offset` has come in just now. */
  async note(offset: number, atMs: number): Promise<void> {
    if (this.#failed || isTooNear(this.#lastMs, atMs, this.#firstMs)) return
    this.#firstMs ??= atMs
    this.#lastMs = atMs
    this.#waiting.push({ offset, atMs })
    if (this.#waiting.length >= recordsInWrite) await this.#write()
  }

  /** The log is not written for now. One that came in one go, as most do, needs no times. */
  async close(): Promise<void> {
    const [only] = this.#waiting
    if (this.#waiting.length > 1 || (only && only.offset > 0)) await this.#write()
    this.#waiting = []
  }

  /** All of them, in order. */
  async all(): Promise<readonly LogTime[]> {
    return inOrder([...(await readLogTimes(this.#path)), ...this.#waiting])
  }

  async #write(): Promise<void> {
    const waiting = this.#waiting
    this.#waiting = []
    try {
      const fd = await openFile(this.#path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600)
      try {
        const { first, last } = await endsOf(fd)
        this.#firstMs = first?.atMs ?? this.#firstMs
        const fresh = waiting.filter(({ atMs }) => !last || !isTooNear(last.atMs, atMs, this.#firstMs))
        if (fresh.length > 0) await writeBytes(fd, encode(fresh))
      } finally {
        await closeFile(fd)
      }
    } catch {
      // The log itself is what counts; whatever is wrong with the disk, its own next write says so. What is kept stays.
      this.#failed = true
    }
  }
}

/** Those of a log that is not being written; none where none were kept. */
export async function readLogTimes(path: string): Promise<readonly LogTime[]> {
  const bytes = await readFile(path, { flag: constants.O_RDONLY | O_NOFOLLOW }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return Buffer.alloc(0)
    throw error
  })
  return inOrder(decode(bytes))
}

/** Cuts a piece of a log where its times change. `atMs` is 0 where none is known. */
export function* piecesByTime(
  times: readonly LogTime[],
  offset: number,
  data: Buffer,
): Generator<{ readonly data: Buffer; readonly atMs: number }> {
  let next = times.findIndex((time) => time.offset > offset)
  if (next < 0) next = times.length
  for (let at = offset; at < offset + data.length; next += 1) {
    const end = Math.min(times[next]?.offset ?? Number.POSITIVE_INFINITY, offset + data.length)
    yield { data: data.subarray(at - offset, end - offset), atMs: times[next - 1]?.atMs ?? 0 }
    at = end
  }
}

/** A leader that was deposed may have written too: what would go back is left out. */
function inOrder(times: readonly LogTime[]): readonly LogTime[] {
  const kept: LogTime[] = []
  for (const time of times) {
    const last = kept.at(-1)
    if (!last || (time.offset > last.offset && time.atMs >= last.atMs)) kept.push(time)
  }
  return kept
}

function isTooNear(lastMs: number, atMs: number, firstMs = atMs): boolean {
  return atMs - lastMs < Math.max(finest.ms, (atMs - firstMs) / finest.partOfAge)
}

/** The first and the last record of a file that an earlier leader, or this one, has begun. Throws when the last is cut off. */
async function endsOf(fd: number): Promise<{ first?: LogTime | undefined; last?: LogTime | undefined }> {
  const records = (await fileFacts(fd)).size / recordBytes
  if (records === 0) return {}
  if (!Number.isInteger(records))
    throw new Error('The last record was cut off: whatever followed would be misread.')
  const bytes = Buffer.alloc(2 * recordBytes)
  await readBytes(fd, bytes, 0, recordBytes, 0)
  await readBytes(fd, bytes, recordBytes, recordBytes, (records - 1) * recordBytes)
  const [first, last] = decode(bytes)
  return { first, last }
}

function encode(times: readonly LogTime[]): Buffer {
  const bytes = Buffer.alloc(times.length * recordBytes)
  for (const [index, { offset, atMs }] of times.entries()) {
    bytes.writeUIntLE(offset, index * recordBytes, 6)
    bytes.writeUIntLE(Math.floor(atMs), index * recordBytes + 6, 6)
  }
  return bytes
}

/** A record that was cut off counts as none. */
function decode(bytes: Buffer): readonly LogTime[] {
  return Array.from({ length: Math.floor(bytes.length / recordBytes) }, (_, index) => ({
    offset: bytes.readUIntLE(index * recordBytes, 6),
    atMs: bytes.readUIntLE(index * recordBytes + 6, 6),
  }))
}
