import { fdatasync, writev } from 'node:fs'
import { promisify } from 'node:util'
import { invariant } from '../../common/errors.js'
import type { LogTimes } from './log-times.js'

const writeVectors: (fd: number, pieces: readonly Uint8Array[], offset: number) => Promise<number> =
  promisify(
    (
      fd: number,
      pieces: readonly Uint8Array[],
      offset: number,
      done: (error: Error | null, n: number) => void,
    ) => writev(fd, pieces, offset, done),
  )
const syncData = promisify(fdatasync)

/** The kernel takes at most 1,024 pieces in one call. */
const mostPieces = 1000

interface Waiter {
  readonly until: number
  resolve(): void
  reject(error: unknown): void
}

export interface OpenLogOptions {
  readonly key: string
  readonly folder: string
  /** Open for reading and writing. */
  readonly fd: number
  /** What the file holds, durably. */
  readonly length: number
  readonly fresh: boolean
  readonly times: LogTimes
}

/** One log with its file open: what is durable, and what waits to become so. */
export class OpenLog {
  readonly key: string
  readonly folder: string
  readonly fd: number
  readonly times: LogTimes
  /** Whether the file's name is not known to be durable yet. */
  fresh: boolean
  /** How many are about to use it; it stays open meanwhile. */
  users = 0
  #durable: number
  #taken: number
  #pieces: Uint8Array[] = []
  #waiters: Waiter[] = []

  constructor(options: OpenLogOptions) {
    this.key = options.key
    this.folder = options.folder
    this.fd = options.fd
    this.times = options.times
    this.fresh = options.fresh
    this.#durable = options.length
    this.#taken = options.length
  }

  get durable(): number {
    return this.#durable
  }

  get idle(): boolean {
    return this.users === 0 && this.#pieces.length === 0 && this.#waiters.length === 0
  }

  /** Takes what is new of a chunk; returns how many bytes that is. A chunk past the end is not taken. */
  take(offset: number, data: Uint8Array): number {
    const known = this.#taken - offset
    if (known < 0 || known >= data.length) return 0
    this.#pieces.push(data.subarray(known))
    this.#taken += data.length - known
    return data.length - known
  }

  /** Resolves when the log is durable up to `offset`, or as far as it was taken. */
  durableUpTo(offset: number): Promise<void> {
    const until = Math.min(offset, this.#taken)
    if (until <= this.#durable) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiters.push({ until, resolve, reject }))
  }

  /** Writes and syncs what was taken; returns the new length, to be given to `settle`. Never runs twice at a time. */
  async flush(): Promise<number> {
    const pieces = this.#pieces
    this.#pieces = []
    let end = this.#durable
    for (let first = 0; first < pieces.length; first += mostPieces) {
      let left: readonly Uint8Array[] = pieces.slice(first, first + mostPieces)
      while (left.length > 0) {
        const written = await writeVectors(this.fd, left, end)
        invariant(written > 0, 'writev writes at least a byte')
        end += written
        left = withoutFirst(left, written)
      }
    }
    await syncData(this.fd)
    return end
  }

  /** Everything before `end` is durable. */
  settle(end: number): void {
    this.#durable = end
    const done = this.#waiters.filter((waiter) => waiter.until <= end)
    this.#waiters = this.#waiters.filter((waiter) => waiter.until > end)
    for (const waiter of done) waiter.resolve()
  }

  /** What was taken and is not durable is given up; whoever waits for it is told, and can send it again. */
  fail(error: unknown): void {
    this.#pieces = []
    this.#taken = this.#durable
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter.reject(error)
  }
}

function withoutFirst(pieces: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes
  for (const [index, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(index + 1)]
    left -= piece.length
  }
  return []
}
