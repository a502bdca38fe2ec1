import { z } from 'zod'
import type { Clock, Timer } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'
import type { Etcd } from './store/etcd.js'

/** How one coordinator is reached. */
export interface Member {
  readonly id: string
  /** `host:port` */
  readonly userAddress: string
  readonly agentAddress: string
  /** Where it serves the archives of spell; undefined: nowhere. */
  readonly downloadAddress?: string | undefined
}

/** How long a coordinator that has gone without a word is still named, in seconds. */
const ttlSeconds = 30
const renewMs = 5_000

/** Of any version: what a later one has beside these is for others, and one without them is not on the list. */
const memberValue = z.object({
  id: z.string(),
  userAddress: z.string(),
  agentAddress: z.string(),
  downloadAddress: z.string().optional(),
  /** The highest version of records that it reads; a version of Spell that did not say reads the first. */
  records: z.number().int().default(1),
})

export interface MembersParts {
  /** The highest version of records that this coordinator reads. */
  readonly recordVersion: number
  readonly etcd: Etcd
  readonly clock: Clock
  readonly log: Log
}

/**
 * Which coordinators there are: each keeps `coordinator/<id>` under a lease of its own and reads the others' now and then.
 * For showing, for agents' lists of addresses, and for when records may be written in a newer version.
 */
export class Members {
  readonly #self: Member
  readonly #prefix: string
  readonly #parts: MembersParts
  /** Undefined until the list was read. */
  #others: readonly z.output<typeof memberValue>[] | undefined
  #leaseId: string | undefined
  #timer: Timer | undefined
  #round: Promise<void> | undefined
  #stopped = false

  /** `prefix`: of all keys, such as `spell/`. */
  constructor(self: Member, prefix: string, parts: MembersParts) {
    this.#self = self
    this.#prefix = `${prefix}coordinator/`
    this.#parts = parts
  }

  /** This coordinator first, the others by id. */
  all(): readonly Member[] {
    return [this.#self, ...(this.#others ?? []).map(({ records: _, ...member }) => member)]
  }

  /** Where a coordinator answers nodes and other coordinators; undefined: it is not on the list, or that was never read. */
  async agentAddressOf(id: string): Promise<string | undefined> {
    if (!this.#others) await this.#round
    return this.#others?.find((member) => member.id === id)?.agentAddress
  }

  /** The highest version of records that each of them reads; undefined: the list was not read yet. */
  recordVersions(): readonly number[] | undefined {
    return this.#others && [this.#parts.recordVersion, ...this.#others.map(({ records }) => records)]
  }

  start(): void {
    this.#round = this.#refresh()
      .catch((error: unknown) => {
        this.#leaseId = undefined
        this.#parts.log.debug('the list of coordinators could not be renewed', { reason: messageOf(error) })
      })
      .finally(() => {
        if (!this.#stopped) this.#timer = this.#parts.clock.timer(renewMs, () => this.start())
      })
  }

  /** Takes this coordinator off the list. Safe to call twice. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#timer?.cancel()
    await this.#round
    const leaseId = this.#leaseId
    this.#leaseId = undefined
    // Without an answer the lease runs out by itself.
    if (leaseId !== undefined)
      await this.#parts.etcd.revokeLease(leaseId, { timeoutMs: 1_000 }).catch(() => undefined)
  }

  async #refresh(): Promise<void> {
    const { etcd } = this.#parts
    if (this.#leaseId === undefined || (await etcd.keepLeaseAlive(this.#leaseId)) <= 0) await this.#announce()
    const { entries } = await etcd.range({ prefix: this.#prefix, limit: 100 })
    this.#others = entries
      .flatMap(({ value }) => memberValue.safeParse(JSON.parse(value)).data ?? [])
      .filter(({ id }) => id !== this.#self.id)
  }

  async #announce(): Promise<void> {
    const { leaseId } = await this.#parts.etcd.grantLease(ttlSeconds)
    const value = JSON.stringify({ v: 1, ...this.#self, records: this.#parts.recordVersion })
    await this.#parts.etcd.transact({
      compares: [],
      puts: [{ key: this.#prefix + this.#self.id, value, leaseId }],
    })
    this.#leaseId = leaseId
  }
}
