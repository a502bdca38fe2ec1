import type { Clock, Timer } from '../../common/clock.js'
import { messageOf, RpcError } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Etcd } from './etcd.js'

/** What a won election is known by. Every write of the leader compares `createRevision` of the election key. */
export interface Won {
  readonly term: number
  readonly generation: string
  readonly leaseId: string
  readonly createRevision: number
}

export interface LeadershipSettings {
  readonly ttlMs: number
}

export interface LeadershipParts {
  readonly etcd: Etcd
  readonly clock: Clock
  readonly log: Log
  readonly failpoints: Failpoints
}

/** Renewals in one time to live: several may fail before it is over. */
const renewalsPerTtl = 5

/**
 * One term of this coordinator. It lasts while its lease is renewed and ends once, for good: when a renewal says that the
 * lease is gone, when somebody sees the key gone or a compare fail (`lose`), or when the time to live has passed since the
 * newest renewal that was answered was *sent*. The last is looked up on the clock by whoever asks, so that a process that
 * was stopped, or a loop that was busy, can't lead on for a moment after it wakes.
 */
export class Leadership {
  readonly term: number
  readonly generation: string
  readonly createRevision: number
  readonly #ttlMs: number
  readonly #leaseId: string
  readonly #parts: LeadershipParts
  readonly #controller = new AbortController()
  #validUntil: number
  #renewAt: number
  #renewing = false
  #timer: Timer | undefined

  /** `sentAt`: when the lease was asked for, by the monotonic clock. */
  constructor(won: Won, settings: LeadershipSettings, parts: LeadershipParts, sentAt: number) {
    this.term = won.term
    this.generation = won.generation
    this.createRevision = won.createRevision
    this.#leaseId = won.leaseId
    this.#ttlMs = settings.ttlMs
    this.#parts = parts
    this.#validUntil = sentAt + settings.ttlMs
    this.#renewAt = sentAt + settings.ttlMs / renewalsPerTtl
    this.#tick()
  }

  /** Aborts when the term is over, with an RpcError (UNAVAILABLE) that says why. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** To be asked before every answer, acknowledgement and write. Also renews when the timer is late. */
  isLeading(): boolean {
    if (this.signal.aborted) return false
    const now = this.#parts.clock.monotonic()
    if (now >= this.#validUntil) {
      this.lose('its lease could not be renewed in time')
      return false
    }
    if (now >= this.#renewAt) this.#renew()
    return true
  }

  /** Throws the reason when the term is over. */
  assertLeading(): void {
    if (!this.isLeading()) throw this.signal.reason
  }

  /** Ends the term at once. Safe to call twice; the first reason stays. */
  lose(reason: string): void {
    if (this.signal.aborted) return
    this.#timer?.cancel()
    this.#parts.log.warn('This coordinator no longer leads', { term: this.term, reason })
    this.#controller.abort(
      new RpcError('UNAVAILABLE', `This coordinator no longer leads: ${reason}.`, {
        trailers: { 'retry-after-ms': '500' },
      }),
    )
  }

  /** Ends the term and deletes the election key, so that the next leader need not wait for the lease to run out. */
  async resign(): Promise<void> {
    this.lose('it resigned')
    const { etcd, failpoints, log } = this.#parts
    failpoints.reach('resign.before-revoke')
    await etcd.revokeLease(this.#leaseId).catch((error: unknown) => {
      log.warn('The election key could not be deleted; it goes with its lease', { error })
    })
    failpoints.reach('resign.after-revoke')
  }

  #tick(): void {
    if (!this.isLeading()) return
    const wait = Math.min(this.#renewAt, this.#validUntil) - this.#parts.clock.monotonic()
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.timer(Math.max(wait, 1), () => this.#tick())
  }

  #renew(): void {
    if (this.#renewing) return
    this.#renewing = true
    const { clock, etcd, log } = this.#parts
    const sentAt = clock.monotonic()
    this.#renewAt = sentAt + this.#ttlMs / renewalsPerTtl
    etcd
      .keepLeaseAlive(this.#leaseId, { timeoutMs: this.#ttlMs / 3 })
      .then(
        (ttlSeconds) => {
          if (ttlSeconds <= 0) this.lose('its lease is gone')
          else if (this.isLeading()) this.#validUntil = sentAt + this.#ttlMs
        },
        (error: unknown) => {
          log.warn('The lease could not be renewed; trying again', { reason: messageOf(error) })
          this.#renewAt = clock.monotonic() + this.#ttlMs / renewalsPerTtl / 4
        },
      )
      .finally(() => {
        this.#renewing = false
        this.#tick()
      })
  }
}
