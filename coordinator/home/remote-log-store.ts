import { RpcError } from '../../common/errors.js'
import type { LogLengthResponse__Output } from '../../proto/gen/spell/v1/LogLengthResponse.js'
import type { LogTailResponse__Output } from '../../proto/gen/spell/v1/LogTailResponse.js'
import type { LogTimesResponse__Output } from '../../proto/gen/spell/v1/LogTimesResponse.js'
import type { StoredBytes__Output } from '../../proto/gen/spell/v1/StoredBytes.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { type Method, method } from '../../proto/wire.js'
import type { LogStore } from '../logs/log-store.js'
import type { LogTime } from '../logs/log-times.js'
import type { HomeChannel } from './home-channel.js'
import { type LogChunk, LogWrites } from './log-writes.js'

const lengthOf: Method<unknown, LogLengthResponse__Output> = method('StoredLogs', 'Length')
const readLog: Method<unknown, StoredBytes__Output> = method('StoredLogs', 'Read')
const timesOf: Method<unknown, LogTimesResponse__Output> = method('StoredLogs', 'Times')
const tailOf: Method<unknown, LogTailResponse__Output> = method('StoredLogs', 'Tail')

/** A larger chunk goes in several, so that each has room in a message. */
const chunkBytes = 1024 * 1024

/**
 * The log store of another coordinator, its home. Only the leader writes, and followers are the leader's too: that a log
 * has grown is known from what this coordinator has written and asked itself.
 */
export class RemoteLogStore implements LogStore {
  readonly #home: HomeChannel
  readonly #writes: LogWrites
  readonly #followed = new Map<string, Followed>()
  #closed = false

  constructor(home: HomeChannel) {
    this.#home = home
    this.#writes = new LogWrites(home)
  }

  async write(id: AttemptId, offset: number, data: Uint8Array): Promise<number> {
    if (this.#closed) throw new RpcError('UNAVAILABLE', 'The log store is being closed.')
    const lengths = await Promise.all(chunksOf({ id, offset, data }).map((chunk) => this.#writes.add(chunk)))
    return this.#tell(id, Math.max(...lengths))
  }

  async length(id: AttemptId): Promise<number> {
    // Of a chunk whose answer was lost nobody else will say that it has arrived.
    return this.#tell(id, (await this.#home.call(lengthOf, { id })).length)
  }

  async *read(id: AttemptId, offset: number, end: number): AsyncIterable<Buffer> {
    const request = { id, offset, end: Math.min(end, Number.MAX_SAFE_INTEGER) }
    for await (const { data } of this.#home.stream(readLog, request)) yield data
  }

  async times(id: AttemptId): Promise<readonly LogTime[]> {
    return (await this.#home.call(timesOf, { id })).times
  }

  async tailOffset(id: AttemptId, lines: number, end: number): Promise<number> {
    return (await this.#home.call(tailOf, { id, lines, end })).offset
  }

  onGrown(id: AttemptId, listener: (length: number) => void): () => void {
    const key = attemptKey(id)
    const followed = this.#followed.get(key) ?? { length: 0, listeners: new Set() }
    this.#followed.set(key, followed)
    // A wrapper of its own, so that one listener given twice is called twice and ended twice.
    const own = (length: number) => listener(length)
    followed.listeners.add(own)
    return () => {
      followed.listeners.delete(own)
      if (followed.listeners.size === 0 && this.#followed.get(key) === followed) this.#followed.delete(key)
    }
  }

  /** Nothing is remembered here. */
  async forget(): Promise<void> {}

  async close(): Promise<void> {
    this.#closed = true
    await this.#writes.close()
  }

  /** Gives the length back. */
  #tell(id: AttemptId, length: number): number {
    const followed = this.#followed.get(attemptKey(id))
    if (followed && length > followed.length) {
      followed.length = length
      for (const listener of [...followed.listeners]) listener(length)
    }
    return length
  }
}

interface Followed {
  /** What its followers were told last. */
  length: number
  readonly listeners: Set<(length: number) => void>
}

function chunksOf({ id, offset, data }: LogChunk): readonly LogChunk[] {
  if (data.length <= chunkBytes) return [{ id, offset, data }]
  return Array.from({ length: Math.ceil(data.length / chunkBytes) }, (_, index) => {
    const from = index * chunkBytes
    return { id, offset: offset + from, data: data.subarray(from, from + chunkBytes) }
  })
}
