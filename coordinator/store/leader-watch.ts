import { z } from 'zod'
import type { Clock, Timer } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { type Entry, type Etcd, EtcdError, readKey, type Watch } from './etcd.js'
import type { Keys } from './keys.js'

const leaderValue = z.object({
  v: z.literal(1),
  id: z.string(),
  userAddress: z.string(),
  agentAddress: z.string(),
  term: z.number().int(),
})

/** Who leads, as the election key says. */
export interface LeaderInfo {
  readonly id: string
  /** `host:port` where users' calls are answered. */
  readonly userAddress: string
  /** `host:port` that agents dial. */
  readonly agentAddress: string
  readonly term: number
  readonly createRevision: number
}

export interface Seen {
  readonly leader: LeaderInfo | undefined
  readonly revision: number
}

export function leaderToValue(info: Omit<LeaderInfo, 'createRevision'>): string {
  const { id, userAddress, agentAddress, term } = info
  return JSON.stringify({ v: 1, id, userAddress, agentAddress, term })
}

export interface LeaderWatchParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly clock: Clock
  readonly log: Log
}

/** Well within a lease's time to live: a member that is cut off must not keep anybody from seeing that nobody leads. */
const readTimeoutMs = 2_000

/**
 * Knows who leads. etcd's watch wakes it, a read decides, and a slow poll repairs what a silent watch missed. While etcd
 * can't be read the last answer stands.
 */
export class LeaderWatch {
  readonly #pollMs: number
  readonly #parts: LeaderWatchParts
  readonly #listeners = new Set<(seen: Seen) => void>()
  #watch: Watch | undefined
  #timer: Timer | undefined
  #reading: Promise<void> | undefined
  #readAgain = false
  #seen: Seen = { leader: undefined, revision: 0 }

  constructor(settings: { readonly pollMs: number }, parts: LeaderWatchParts) {
    this.#pollMs = settings.pollMs
    this.#parts = parts
  }

  start(): void {
    const { etcd, keys } = this.#parts
    this.#watch ??= etcd.watch(keys.leader, () => this.#refresh())
    this.#refresh()
  }

  /** Safe to call twice. */
  stop(): void {
    this.#watch?.stop()
    this.#timer?.cancel()
    this.#listeners.clear()
    this.#watch = undefined
  }

  /** May name a coordinator that has just gone, this one too: whether this one leads, its Leadership knows. */
  current(): LeaderInfo | undefined {
    return this.#seen.leader
  }

  /** Calls `listener` after every read, changed or not. */
  onRead(listener: (seen: Seen) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves once a read, begun after this call, finds no leader; rejects with the signal's reason. */
  vacant(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted()
      const finish = () => {
        unsubscribe()
        signal.removeEventListener('abort', abort)
      }
      const abort = () => {
        finish()
        reject(signal.reason)
      }
      const unsubscribe = this.onRead((seen) => {
        if (seen.leader) return
        finish()
        resolve()
      })
      signal.addEventListener('abort', abort, { once: true })
      this.#refresh()
    })
  }

  /** One read at a time; what asks meanwhile gets one that begins after it asked. */
  #refresh(): void {
    if (!this.#watch) return
    if (this.#reading) {
      this.#readAgain = true
      return
    }
    this.#timer?.cancel()
    this.#readAgain = false
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined
      if (!this.#watch) return
      if (this.#readAgain) return this.#refresh()
      this.#timer = this.#parts.clock.timer(this.#pollMs, () => this.#refresh())
    })
  }

  async #read(): Promise<void> {
    const { etcd, keys, log } = this.#parts
    try {
      const { entry, revision } = await readKey(etcd, keys.leader, { timeoutMs: readTimeoutMs })
      if (this.#readAgain) return
      this.#seen = { leader: entry && leaderFromEntry(entry), revision }
    } catch (error) {
      if (error instanceof EtcdError)
        log.debug('The election key could not be read', { reason: messageOf(error) })
      else log.error('The election key makes no sense', { error })
      return
    }
    for (const listener of [...this.#listeners]) listener(this.#seen)
  }
}

function leaderFromEntry(entry: Entry): LeaderInfo {
  const { v, ...info } = leaderValue.parse(JSON.parse(entry.value))
  return { ...info, createRevision: entry.createRevision }
}
