import type { Clock, Timer } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'
import type { Etcd } from './store/etcd.js'

const lookMs = 5_000
/** History that is kept for watches that are behind: etcd forgets what is older at every second look. */
const compactEveryLooks = 12

/** How full etcd is, looked at now and then; while this coordinator leads it also forgets etcd's history. */
export class EtcdSize {
  readonly #etcd: Etcd
  readonly #clock: Clock
  readonly #log: Log
  #timer: Timer | undefined
  #stopped = false
  #looks = 0
  #revisionBefore = 0
  #bytes = 0
  leading = false

  constructor(etcd: Etcd, clock: Clock, log: Log) {
    this.#etcd = etcd
    this.#clock = clock
    this.#log = log
  }

  /** As etcd counts it against its quota; 0 before the first look. */
  get bytes(): number {
    return this.#bytes
  }

  start(): void {
    this.#look()
      .catch((error: unknown) => this.#log.debug('etcd did not tell its size', { reason: messageOf(error) }))
      .finally(() => {
        if (!this.#stopped) this.#timer = this.#clock.timer(lookMs, () => this.start())
      })
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  async #look(): Promise<void> {
    const status = await this.#etcd.status()
    this.#bytes = status.usedBytes
    this.#looks += 1
    if (this.#looks % compactEveryLooks !== 0) return
    if (this.leading && this.#revisionBefore > 0) await this.#etcd.compact(this.#revisionBefore)
    this.#revisionBefore = status.revision
  }
}
