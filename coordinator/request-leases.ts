import type { Clock, Timer } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'
import type { RequestLeases } from './leader/types.js'
import type { Etcd } from './store/etcd.js'

const hourMs = 3_600_000
/** A lease takes request ids for an hour and must outlive the last of them by 24. */
const ttlSeconds = 25 * 3_600 + 600
/** After a grant that failed; the lease before is used meanwhile, it has ten minutes more than it needs. */
const retryMs = 10_000

/** One lease an hour, for as long as a term lasts. Those of earlier terms end by themselves. */
export class HourlyLeases implements RequestLeases {
  readonly #etcd: Etcd
  readonly #clock: Clock
  readonly #log: Log
  #leaseId: string
  #timer: Timer
  #stopped = false

  /** Rejects with EtcdError. */
  static async start(etcd: Etcd, clock: Clock, log: Log): Promise<HourlyLeases> {
    const { leaseId } = await etcd.grantLease(ttlSeconds)
    return new HourlyLeases(leaseId, etcd, clock, log)
  }

  private constructor(leaseId: string, etcd: Etcd, clock: Clock, log: Log) {
    this.#leaseId = leaseId
    this.#etcd = etcd
    this.#clock = clock
    this.#log = log
    this.#timer = clock.timer(hourMs, () => this.#renew())
  }

  current(): string {
    return this.#leaseId
  }

  stop(): void {
    this.#stopped = true
    this.#timer.cancel()
  }

  #renew(): void {
    this.#etcd.grantLease(ttlSeconds).then(
      ({ leaseId }) => {
        this.#leaseId = leaseId
        this.#renewIn(hourMs)
      },
      (error: unknown) => {
        this.#log.warn('No new lease for request ids; trying again', { reason: messageOf(error) })
        this.#renewIn(retryMs)
      },
    )
  }

  /** A grant may be answered after the term's end: nothing follows it then. */
  #renewIn(ms: number): void {
    if (!this.#stopped) this.#timer = this.#clock.timer(ms, () => this.#renew())
  }
}
