import { close } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Clock, Timer } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { diskTrouble } from '../../spellfs/disk-errors.js'
import { Beginnings, packedBytes } from './beginnings.js'
import { pieces, tailOf } from './log-file.js'
import { LogFiles } from './log-files.js'
import type { LogStore } from './log-store.js'
import type { LogTime } from './log-times.js'
import type { OpenLog } from './open-log.js'

export interface DirectoryLogStoreSettings {
  /** `<storeDir>/.spell/logs`; made when missing. */
  readonly directory: string
  /** In milliseconds: at least so long from one group to the next, and so long new logs wait for company; what comes meanwhile shares a sync. */
  readonly groupMs: number
  /** Files kept open; more only while more are being written. */
  readonly maxOpenFiles: number
  /** Bytes taken and not yet durable; above, `write` waits. */
  readonly maxWaitingBytes: number
}

export interface LogStoreParts {
  readonly clock: Clock
  /** Throws while the store is away. */
  readonly checkPresent: () => Promise<void>
  /** Told of every sync, for metrics. */
  readonly synced?: () => void
}

export const defaultLogStoreSettings = {
  groupMs: 10,
  maxOpenFiles: 512,
  maxWaitingBytes: 32 * 1024 * 1024,
} as const

const closeFile = promisify(close)

/** Syncs under way at once: one less than libuv's threads, so that the rest of the program gets to its files. */
const parallelSyncs = 3

/**
 * Logs as files. Chunks that arrive within `groupMs` of the last group are written together, one writev
 * and one fdatasync a log, some logs at a time; the names of new files are synced once a folder and group. The first chunks
 * of logs, where many come at a time and are short, go into packs (log-packs.ts); the second moves a log to a file.
 */
export class DirectoryLogStore implements LogStore {
  readonly #settings: DirectoryLogStoreSettings
  readonly #parts: LogStoreParts
  /** Least recently used first. */
  readonly #logs = new Map<string, OpenLog>()
  readonly #opening = new Map<string, Promise<OpenLog>>()
  readonly #files: LogFiles
  readonly #beginnings: Beginnings
  readonly #listeners = new Map<string, Set<(length: number) => void>>()
  #dirty = new Set<OpenLog>()
  #waitingBytes = 0
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined
  #lastGroupMs = Number.NEGATIVE_INFINITY
  #closed = false

  constructor(settings: DirectoryLogStoreSettings, parts: LogStoreParts) {
    this.#settings = settings
    this.#parts = parts
    this.#files = new LogFiles({ ...parts, ...settings, synced: () => parts.synced?.() })
    this.#beginnings = new Beginnings({
      clock: parts.clock,
      groupMs: settings.groupMs,
      pack: (beginnings) => this.#files.pack(beginnings),
      packed: (id, length) => this.#tell(attemptKey(id), length),
      write: ({ id, data }) => this.#write(id, 0, data, 'at once'),
    })
  }

  async write(id: AttemptId, offset: number, data: Uint8Array): Promise<number> {
    if (this.#closed) throw new RpcError('UNAVAILABLE', 'The log store is being closed.')
    const key = attemptKey(id)
    // One that has failed says so to whoever sent it.
    for (let early = this.#beginnings.underWay(key); early; early = this.#beginnings.underWay(key))
      await early.catch(() => undefined)
    const isOpen = this.#logs.has(key) || this.#opening.has(key)
    if (offset === 0 && data.length > 0 && data.length <= packedBytes && !isOpen && this.#beginnings.hasRoom)
      return await this.#beginnings.add(id, data)
    while (this.#waitingBytes > this.#settings.maxWaitingBytes) await this.#flush()
    return await this.#write(id, offset, data, 'in a group')
  }

  async #write(id: AttemptId, offset: number, data: Uint8Array, when: 'at once' | 'in a group') {
    const log = await this.#use(id)
    try {
      const taken = log.take(offset, data)
      if (taken > 0) this.#wake(log, taken)
      if (when === 'at once') void this.#flush()
      await log.durableUpTo(offset + data.length)
      return log.durable
    } finally {
      log.users -= 1
    }
  }

  async length(id: AttemptId): Promise<number> {
    const log = this.#logs.get(attemptKey(id))
    if (log) return log.durable
    const file = await this.#files.openToRead(id)
    if (!file) return 0
    return await file.durableLength().finally(() => file.close())
  }

  async *read(id: AttemptId, offset: number, end: number): AsyncIterable<Buffer> {
    const limit = Math.min(end, await this.length(id))
    if (offset >= limit) return
    const file = await this.#files.openToRead(id)
    if (!file) return
    try {
      yield* pieces(file, offset, limit)
    } finally {
      await file.close()
    }
  }

  async times(id: AttemptId): Promise<readonly LogTime[]> {
    return await (this.#logs.get(attemptKey(id))?.times.all() ?? this.#files.times(id))
  }

  async tailOffset(id: AttemptId, lines: number, end: number): Promise<number> {
    const limit = Math.min(end, await this.length(id))
    const file = lines > 0 && limit > 0 ? await this.#files.openToRead(id) : undefined
    if (!file) return limit
    try {
      return await tailOf(file, lines, limit)
    } finally {
      await file.close()
    }
  }

  onGrown(id: AttemptId, listener: (length: number) => void): () => void {
    const key = attemptKey(id)
    const all = this.#listeners.get(key) ?? new Set()
    this.#listeners.set(key, all)
    // A wrapper of its own, so that one listener given twice is called twice and ended twice.
    const own = (length: number) => listener(length)
    all.add(own)
    return () => {
      all.delete(own)
      if (all.size === 0 && this.#listeners.get(key) === all) this.#listeners.delete(key)
    }
  }

  async forget(): Promise<void> {
    await this.#files.forget()
    await this.#closeUnused(0)
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#beginnings.close()
    this.#timer?.cancel()
    await Promise.allSettled(this.#opening.values())
    await this.#flush()
    // Whoever was told just now has let go by the next turn.
    while (this.#logs.size > 0) {
      await setImmediate()
      await this.#closeUnused(0)
    }
    await this.#files.forget()
  }

  /** The log, open and marked as in use. */
  async #use(id: AttemptId): Promise<OpenLog> {
    const key = attemptKey(id)
    const open = this.#logs.get(key)
    if (open) {
      this.#logs.delete(key)
      this.#logs.set(key, open)
      open.users += 1
      return open
    }
    const opening = this.#opening.get(key) ?? this.#open(id, key)
    this.#opening.set(key, opening)
    // All who wait here go on one right after the other, so that nobody sees the log neither opening nor open.
    const log = await opening
    this.#opening.delete(key)
    this.#logs.set(key, log)
    log.users += 1
    return log
  }

  async #open(id: AttemptId, key: string): Promise<OpenLog> {
    try {
      return await this.#files.openToWrite(id)
    } catch (error) {
      this.#opening.delete(key)
      throw error
    }
  }

  #wake(log: OpenLog, bytes: number): void {
    this.#dirty.add(log)
    this.#waitingBytes += bytes
    if (this.#flushing || this.#timer) return
    const { clock } = this.#parts
    const earlyMs = Math.max(0, this.#lastGroupMs + this.#settings.groupMs - clock.monotonic())
    this.#timer = clock.timer(earlyMs, () => void this.#flush())
  }

  /** Writes group after group until nothing waits. Never rejects: whoever waits for a log is told. */
  #flush(): Promise<void> {
    this.#timer = undefined
    if (!this.#flushing && this.#dirty.size > 0) this.#flushing = this.#flushGroups()
    return this.#flushing ?? Promise.resolve()
  }

  async #flushGroups(): Promise<void> {
    try {
      while (this.#dirty.size > 0) {
        this.#lastGroupMs = this.#parts.clock.monotonic()
        const group = this.#dirty
        this.#dirty = new Set()
        this.#waitingBytes = 0
        const logs = group.values()
        const fresh = new Map<OpenLog, number>()
        await Promise.all(Array.from({ length: parallelSyncs }, () => this.#flushSome(logs, fresh)))
        await this.#settleFresh(fresh)
        await this.#closeUnused(this.#settings.maxOpenFiles)
      }
    } finally {
      // Within the turn of the last look: what comes afterwards starts a flush of its own.
      this.#flushing = undefined
    }
  }

  async #flushSome(logs: Iterator<OpenLog>, fresh: Map<OpenLog, number>): Promise<void> {
    for (let next = logs.next(); !next.done; next = logs.next()) {
      const log = next.value
      try {
        const begin = log.durable
        const end = await log.flush()
        if (end > begin) await log.times.note(begin, this.#parts.clock.now())
        if (log.fresh) fresh.set(log, end)
        else this.#settle(log, end)
      } catch (error) {
        log.fail(this.#inWords(error))
      }
    }
  }

  async #settleFresh(fresh: ReadonlyMap<OpenLog, number>): Promise<void> {
    try {
      const folders = new Set([...fresh.keys()].map((log) => log.folder))
      for (const folder of folders) await this.#files.syncNames(folder)
    } catch (error) {
      for (const log of fresh.keys()) log.fail(this.#inWords(error))
      return
    }
    for (const [log, end] of fresh) {
      log.fresh = false
      this.#settle(log, end)
    }
  }

  #settle(log: OpenLog, end: number): void {
    log.settle(end)
    this.#parts.synced?.()
    this.#tell(log.key, end)
  }

  #tell(key: string, length: number): void {
    for (const listener of this.#listeners.get(key) ?? []) listener(length)
  }

  async #closeUnused(keep: number): Promise<void> {
    let tooMany = this.#logs.size - keep
    if (tooMany <= 0) return
    for (const log of this.#logs.values()) {
      if (tooMany <= 0) return
      if (!log.idle) continue
      this.#logs.delete(log.key)
      tooMany -= 1
      await log.times.close()
      await closeFile(log.fd)
    }
  }

  #inWords(error: unknown): unknown {
    return diskTrouble(`The store of logs at ${this.#settings.directory}`, error)
  }
}
