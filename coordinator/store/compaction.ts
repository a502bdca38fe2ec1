import type { Clock, Timer } from '../../common/clock.js'
import type { Log } from '../../common/log.js'
import { type Etcd, EtcdError, type EtcdStatus } from './etcd.js'
import { makeSpace } from './make-space.js'

// etcd keeps every old value until it is told to forget, and refuses every write, leases too, once its file has grown to its
// quota. Forgetting frees pages for new values but never shrinks the file, which is what the quota is compared with.

export interface CompactionSettings {
  readonly checkMs: number
  /** History is forgotten when it is this old, */
  readonly everyMs: number
  /** or when so much was written since the last time. */
  readonly everyBytes: number
  /** etcd's --quota-backend-bytes (2 GiB unless told). */
  readonly quotaBytes: number
}

export const defaultCompactionSettings: CompactionSettings = {
  checkMs: 5_000,
  everyMs: 300_000,
  everyBytes: 64 * 1024 * 1024,
  quotaBytes: 2 * 1024 ** 3,
}

export interface CompactionParts {
  readonly etcd: Etcd
  readonly clock: Clock
  readonly log: Log
  /** Bytes committed so far, such as `queue.stats().bytes`. */
  writtenBytes(): number
  /** Of the leadership: only a leader compacts. */
  readonly signal: AbortSignal
}

export interface DatabaseUsage {
  readonly fileBytes: number
  readonly usedBytes: number
  readonly quotaBytes: number
  /** Of the quota, what holds something: 0 to 1. */
  readonly usedShare: number
}

interface Mark {
  readonly revision: number
  readonly writtenBytes: number
  readonly at: number
}

/** The file is rewritten when it has grown to this share of the quota and a tenth of it is free. */
const defragmentAtShare = 0.8
const defragmentAtFull = 0.9

/** Keeps etcd's database small while this coordinator leads, and knows its size. */
export class Compaction {
  readonly #settings: CompactionSettings
  readonly #parts: CompactionParts
  #status: EtcdStatus | undefined
  /** What is forgotten next time: never what is newer than the last check, which a reader may still be reading. */
  #mark: Mark | undefined
  #compacted: Mark | undefined
  #timer: Timer | undefined

  constructor(settings: CompactionSettings, parts: CompactionParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** Checks now and then until leadership ends. */
  start(): void {
    this.#parts.signal.addEventListener('abort', () => this.#timer?.cancel(), { once: true })
    void this.#run()
  }

  /** Undefined until etcd has been asked for the first time. */
  usage(): DatabaseUsage | undefined {
    if (!this.#status) return undefined
    const { fileBytes, usedBytes } = this.#status
    const { quotaBytes } = this.#settings
    return { fileBytes, usedBytes, quotaBytes, usedShare: usedBytes / quotaBytes }
  }

  /** One look at etcd, with what follows from it. Rejects with EtcdError. */
  async check(): Promise<void> {
    const { clock, etcd, writtenBytes } = this.#parts
    const status = await etcd.status()
    this.#status = status
    const now = { revision: status.revision, writtenBytes: writtenBytes(), at: clock.monotonic() }
    this.#compacted ??= now
    if (status.outOfSpace) await this.#makeSpace(now)
    else if (this.#mark && this.#isDue(now)) await this.#compact(this.#mark, now)
    this.#mark = now
    if (this.#isFragmented(status)) await this.#defragment()
  }

  async #run(): Promise<void> {
    const { clock, log, signal } = this.#parts
    try {
      await this.check()
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      log.warn('The size of the database could not be looked after; trying again', { reason: error.message })
    }
    if (!signal.aborted) this.#timer = clock.timer(this.#settings.checkMs, () => void this.#run())
  }

  #isDue(now: Mark): boolean {
    const { everyMs, everyBytes } = this.#settings
    const since = this.#compacted ?? now
    return now.at - since.at >= everyMs || now.writtenBytes - since.writtenBytes >= everyBytes
  }

  async #compact(mark: Mark, now: Mark): Promise<void> {
    await this.#parts.etcd.compact(mark.revision)
    this.#compacted = now
    this.#parts.log.debug('History forgotten', { revision: mark.revision })
  }

  #isFragmented({ fileBytes, usedBytes }: EtcdStatus): boolean {
    return (
      fileBytes >= this.#settings.quotaBytes * defragmentAtShare && usedBytes < fileBytes * defragmentAtFull
    )
  }

  async #defragment(): Promise<void> {
    this.#parts.log.info('Rewriting the database file; etcd answers nothing meanwhile', { ...this.usage() })
    await this.#parts.etcd.defragment()
    this.#status = await this.#parts.etcd.status()
  }

  async #makeSpace(now: Mark): Promise<void> {
    const { etcd, log } = this.#parts
    log.error('The database is over its quota: making space', { ...this.usage() })
    await makeSpace(etcd, this.#settings.quotaBytes)
    this.#compacted = now
    this.#status = await etcd.status()
  }
}
