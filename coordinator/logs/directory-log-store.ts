import { close, constants, fdatasync, fstat, mkdir, open } from 'node:fs'
import { type FileHandle, open as openHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Clock, Timer } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { diskTrouble, systemCode } from '../../spellfs/disk-errors.js'
import { syncFolder } from '../../spellfs/store-mark.js'
import { openNew, pieces, tailOf } from './log-file.js'
import type { LogStore } from './log-store.js'
import { OpenLog } from './open-log.js'

export interface DirectoryLogStoreSettings {
  /** `<storeDir>/.spell/logs`; made when missing. */
  readonly directory: string
  /** How long the first chunk waits for company before a group is written. */
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
}

export const defaultLogStoreSettings = {
  groupMs: 10,
  maxOpenFiles: 512,
  maxWaitingBytes: 32 * 1024 * 1024,
} as const

const openFile = promisify(open)
const closeFile = promisify(close)
const makeFolder = promisify(mkdir)
const fileFacts = promisify(fstat)
const syncData = promisify(fdatasync)

/** Syncs under way at once: one less than libuv's threads, so that the rest of the program gets to its files. */
const parallelSyncs = 3
const runsPerFolder = 1000
const { O_RDWR, O_NOFOLLOW } = constants

/**
 * Logs as files `<run / 1000>/<run>.<attempt>.log`. Chunks that arrive within `groupMs` are written together, one writev
 * and one fdatasync a log, some logs at a time; the names of new files are synced once a folder and group.
 */
export class DirectoryLogStore implements LogStore {
  readonly #settings: DirectoryLogStoreSettings
  readonly #parts: LogStoreParts
  /** Least recently used first. */
  readonly #logs = new Map<string, OpenLog>()
  readonly #opening = new Map<string, Promise<OpenLog>>()
  readonly #folders = new Set<string>()
  readonly #listeners = new Map<string, Set<(length: number) => void>>()
  #dirty = new Set<OpenLog>()
  #waitingBytes = 0
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined
  #closed = false

  constructor(settings: DirectoryLogStoreSettings, parts: LogStoreParts) {
    this.#settings = settings
    this.#parts = parts
  }

  async write(id: AttemptId, offset: number, data: Uint8Array): Promise<number> {
    if (this.#closed) throw new RpcError('UNAVAILABLE', 'The log store is being closed.')
    while (this.#waitingBytes > this.#settings.maxWaitingBytes) await this.#flush()
    const log = await this.#use(id)
    try {
      const taken = log.take(offset, data)
      if (taken > 0) this.#wake(log, taken)
      await log.durableUpTo(offset + data.length)
      return log.durable
    } finally {
      log.users -= 1
    }
  }

  async length(id: AttemptId): Promise<number> {
    const log = this.#logs.get(attemptKey(id))
    if (log) return log.durable
    const file = await this.#openToRead(id)
    if (!file) return 0
    try {
      // Whoever wrote it may have ended before it was synced.
      await file.datasync()
      return (await file.stat()).size
    } finally {
      await file.close()
    }
  }

  async *read(id: AttemptId, offset: number, end: number): AsyncIterable<Buffer> {
    const limit = Math.min(end, await this.length(id))
    if (offset >= limit) return
    const file = await this.#openToRead(id)
    if (!file) return
    try {
      yield* pieces(file, offset, limit)
    } finally {
      await file.close()
    }
  }

  async tailOffset(id: AttemptId, lines: number, end: number): Promise<number> {
    const limit = Math.min(end, await this.length(id))
    const file = lines > 0 && limit > 0 ? await this.#openToRead(id) : undefined
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
    await this.#closeUnused(0)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await Promise.allSettled(this.#opening.values())
    await this.#flush()
    // Whoever was told just now has let go by the next turn.
    while (this.#logs.size > 0) {
      await setImmediate()
      await this.#closeUnused(0)
    }
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
      const folder = this.#folderOf(id)
      if (!this.#folders.has(folder)) {
        await this.#parts.checkPresent()
        await makeFolder(folder, { recursive: true })
        await syncFolder(this.#settings.directory)
        this.#folders.add(folder)
      }
      const path = join(folder, `${key}.log`)
      const fresh = await openNew(path)
      if (fresh !== undefined) return new OpenLog({ key, folder, fd: fresh, length: 0, fresh: true })
      const fd = await openFile(path, O_RDWR | O_NOFOLLOW)
      const { size } = await fileFacts(fd)
      // Whoever wrote it may have ended before it was synced.
      await syncData(fd)
      return new OpenLog({ key, folder, fd, length: size, fresh: true })
    } catch (error) {
      this.#opening.delete(key)
      this.#folders.clear()
      throw this.#inWords(error)
    }
  }

  #wake(log: OpenLog, bytes: number): void {
    this.#dirty.add(log)
    this.#waitingBytes += bytes
    if (this.#flushing || this.#timer) return
    this.#timer = this.#parts.clock.timer(this.#settings.groupMs, () => void this.#flush())
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
        const end = await log.flush()
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
      for (const folder of folders) await syncFolder(folder)
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
    for (const listener of this.#listeners.get(log.key) ?? []) listener(end)
  }

  async #closeUnused(keep: number): Promise<void> {
    let tooMany = this.#logs.size - keep
    if (tooMany <= 0) return
    for (const log of this.#logs.values()) {
      if (tooMany <= 0) return
      if (!log.idle) continue
      this.#logs.delete(log.key)
      tooMany -= 1
      await closeFile(log.fd)
    }
  }

  async #openToRead(id: AttemptId): Promise<FileHandle | undefined> {
    try {
      return await openHandle(
        join(this.#folderOf(id), `${attemptKey(id)}.log`),
        constants.O_RDONLY | O_NOFOLLOW,
      )
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw this.#inWords(error)
      await this.#parts.checkPresent()
      return undefined
    }
  }

  #folderOf({ runId }: AttemptId): string {
    return join(this.#settings.directory, String(Math.floor(runId / runsPerFolder)))
  }

  #inWords(error: unknown): unknown {
    return diskTrouble(`The store of logs at ${this.#settings.directory}`, error)
  }
}
