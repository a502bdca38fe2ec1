import type { Clock, Timer } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import {
  type Batch,
  type BatchLimits,
  operationsOf,
  takeBatch,
  type Unit,
  type WaitingUnit,
  whyTooBig,
} from './commit-batch.js'
import { commitRecordFromValue } from './commit-record.js'
import { CommitSender } from './commit-sender.js'
import type { Etcd } from './etcd.js'
import type { Keys } from './keys.js'
import type { Leadership } from './leadership.js'

export interface CommitQueueSettings extends BatchLimits {
  /** More waiting than this and `hasRoom` is false; twice as much and `add` refuses. */
  readonly maxWaitingUnits: number
  readonly maxWaitingBytes: number
  /**
   * After a transaction of at least `paceFromUnits` the next begins no sooner than `paceMs` after it began: under load
   * fewer and larger ones cost a fraction, and a run's states are merged. Whoever is alone never waits for company.
   */
  readonly paceMs: number
  readonly paceFromUnits: number
}

export const defaultCommitQueueSettings: CommitQueueSettings = {
  maxOperations: 128,
  maxBytes: 1024 * 1024,
  maxWaitingUnits: 20_000,
  maxWaitingBytes: 64 * 1024 * 1024,
  paceMs: 10,
  paceFromUnits: 8,
}

/** One transaction that is done. */
export interface CommitFacts {
  readonly units: number
  readonly operations: number
  readonly bytes: number
  /** From sending it first to knowing that it is done, unknown outcomes included. */
  readonly transactionMs: number
  /** From `add` of its oldest unit to the end of the transaction. */
  readonly waitedMs: number
}

export interface CommitQueueParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly leadership: Leadership
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
  /** Told of every transaction, for metrics. */
  readonly observe?: (facts: CommitFacts) => void
}

export interface CommitStats {
  readonly transactions: number
  readonly operations: number
  readonly units: number
  readonly bytes: number
  /** Times that a transaction's outcome had to be found out. */
  readonly unknownOutcomes: number
  /** Units and bytes waiting or on their way. */
  readonly waitingUnits: number
  readonly waitingBytes: number
}

/**
 * All that a leader writes, in the order it was added, one transaction in flight. What waits meanwhile goes into the next.
 * A promise of `add` resolves when its unit is in etcd and rejects (UNAVAILABLE) when leadership ends first; then the unit
 * may have been committed or not, which the next leader finds in etcd. A rejection that nobody handles is no error: the
 * leadership's signal tells everyone.
 */
export class CommitQueue {
  readonly #settings: CommitQueueSettings
  readonly #parts: CommitQueueParts
  readonly #sender: CommitSender
  /** From `#head` on what waits; the slots before are done, and dropped now and then. */
  #units: WaitingUnit[] = []
  #head = 0
  #inFlight: Batch | undefined
  /** Monotonic milliseconds before which no transaction begins. */
  #notBefore = 0
  #pacing: Timer | undefined
  #waitingBytes = 0
  #last: Promise<void> = Promise.resolve()
  #counts = { transactions: 0, operations: 0, units: 0, bytes: 0 }

  /** `commitValue`: the value of the commit record as the new leader has loaded it. */
  constructor(settings: CommitQueueSettings, parts: CommitQueueParts, commitValue: string | undefined) {
    this.#settings = settings
    this.#parts = parts
    this.#sender = new CommitSender(parts, {
      value: commitValue,
      record: commitRecordFromValue(commitValue),
    })
    const { signal } = parts.leadership
    signal.addEventListener('abort', () => this.#rejectAll(signal.reason), { once: true })
  }

  /**
   * Queues a unit at once, before it returns. Rejects INVALID_ARGUMENT for one that fits no transaction and
   * RESOURCE_EXHAUSTED at twice the room; neither is queued. Ask `hasRoom` before changing anything that depends on it.
   */
  add(unit: Unit): Promise<void> {
    const promise = this.#add(unit)
    promise.catch(() => {})
    return promise
  }

  /** False when new work should be refused or wait. */
  hasRoom(): boolean {
    const { maxWaitingUnits, maxWaitingBytes } = this.#settings
    return this.#waitingUnits() < maxWaitingUnits && this.#waitingBytes < maxWaitingBytes
  }

  /** Resolves when everything added so far is committed; rejects when leadership ends first. */
  flushed(): Promise<void> {
    const { leadership } = this.#parts
    if (!leadership.isLeading()) {
      // Nothing waits any more then, but what was rejected is in the leader's memory still.
      const rejected = Promise.reject(leadership.signal.reason)
      rejected.catch(() => {})
      return rejected
    }
    return this.#waitingUnits() === 0 ? Promise.resolve() : this.#last
  }

  stats(): CommitStats {
    return {
      ...this.#counts,
      unknownOutcomes: this.#sender.unknownOutcomes,
      waitingUnits: this.#waitingUnits(),
      waitingBytes: this.#waitingBytes,
    }
  }

  #waitingUnits(): number {
    return this.#units.length - this.#head + (this.#inFlight?.units.length ?? 0)
  }

  #add(unit: Unit): Promise<void> {
    const { leadership, clock } = this.#parts
    const operations = operationsOf(unit)
    const refusal = whyTooBig(operations, this.#settings) ?? this.#whyFull()
    if (refusal) return Promise.reject(refusal)
    if (!leadership.isLeading()) return Promise.reject(leadership.signal.reason)
    const bytes = operations.reduce((total, operation) => total + operation.bytes, 0)
    this.#waitingBytes += bytes
    this.#last = new Promise((resolve, reject) => {
      this.#units.push({ operations, bytes, addedAt: clock.monotonic(), resolve, reject })
      // Whatever the same turn of the loop adds goes along.
      if (!this.#inFlight && this.#units.length - this.#head === 1) queueMicrotask(() => this.#sendNext())
    })
    return this.#last
  }

  #whyFull(): RpcError | undefined {
    const { maxWaitingUnits, maxWaitingBytes } = this.#settings
    if (this.#waitingUnits() < 2 * maxWaitingUnits && this.#waitingBytes < 2 * maxWaitingBytes)
      return undefined
    return new RpcError('RESOURCE_EXHAUSTED', 'Too many changes wait to be stored; try again in a moment.', {
      trailers: { 'retry-after-ms': '1000' },
    })
  }

  #sendNext(): void {
    const { clock, leadership } = this.#parts
    if (this.#inFlight || this.#pacing || this.#head === this.#units.length || leadership.signal.aborted)
      return
    const startedAt = clock.monotonic()
    if (startedAt < this.#notBefore) {
      this.#pacing = clock.timer(Math.ceil(this.#notBefore - startedAt), () => {
        this.#pacing = undefined
        this.#sendNext()
      })
      return
    }
    const batch = takeBatch(this.#units, this.#head, this.#settings)
    this.#inFlight = batch
    this.#head += batch.units.length
    if (this.#head > 1024 && this.#head * 2 > this.#units.length) {
      this.#units = this.#units.slice(this.#head)
      this.#head = 0
    }
    this.#pace(batch, startedAt)
    this.#sender.commit(batch).then(
      () => this.#done(batch, startedAt),
      // The sender rejects only when leadership is over, and then everything has been rejected already.
      (error: unknown) => leadership.lose(`a commit failed (${String(error)})`),
    )
  }

  /** What did not fit waits for nothing more. */
  #pace(batch: Batch, startedAt: number): void {
    const { paceMs, paceFromUnits } = this.#settings
    const isLoaded = batch.units.length >= paceFromUnits && this.#head === this.#units.length
    this.#notBefore = isLoaded ? startedAt + paceMs : 0
  }

  #done(batch: Batch, startedAt: number): void {
    if (this.#inFlight !== batch) return
    this.#inFlight = undefined
    this.#sendNext()
    const now = this.#parts.clock.monotonic()
    const [oldest] = batch.units
    for (const unit of batch.units) {
      this.#waitingBytes -= unit.bytes
      unit.resolve()
    }
    const facts = { units: batch.units.length, operations: batch.operations.size + 1, bytes: batch.bytes }
    this.#count(facts)
    this.#parts.observe?.({
      ...facts,
      transactionMs: now - startedAt,
      waitedMs: now - (oldest?.addedAt ?? now),
    })
  }

  #count(facts: { readonly units: number; readonly operations: number; readonly bytes: number }): void {
    const { transactions, operations, units, bytes } = this.#counts
    this.#counts = {
      transactions: transactions + 1,
      operations: operations + facts.operations,
      units: units + facts.units,
      bytes: bytes + facts.bytes,
    }
  }

  #rejectAll(reason: unknown): void {
    const waiting = [...(this.#inFlight?.units ?? []), ...this.#units.slice(this.#head)]
    this.#inFlight = undefined
    this.#pacing?.cancel()
    this.#units = []
    this.#head = 0
    this.#waitingBytes = 0
    for (const unit of waiting) unit.reject(reason)
  }
}
