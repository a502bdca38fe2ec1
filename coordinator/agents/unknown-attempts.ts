import { type AttemptId, attemptKey, type Report } from '../../proto/model/attempt.js'
import type { HeldAttempt } from '../../proto/model/link.js'
import type { Placement } from '../core/placement.js'

export interface AskedAttempt {
  readonly held: HeldAttempt
  /** What it has reported meanwhile. */
  readonly reports: Report[]
}

/**
 * What one node runs without the leader knowing what it has of the node, as etcd was restored from a backup older than
 * that. Attempts that may count are asked to describe themselves, and their runs are given to nobody meanwhile: a number
 * would be given twice. Others are being ended. Any of them may have any device.
 */
export class UnknownAttempts {
  readonly #placement: Placement
  readonly #asked = new Map<string, AskedAttempt>()
  readonly #strangers = new Set<string>()

  constructor(placement: Placement) {
    this.#placement = placement
  }

  /** Why nothing may be placed on the node; empty: all that it holds is known. */
  get trouble(): string {
    if ([...this.#asked.values()].some(({ held }) => !held.released))
      return 'has not described all that it runs yet'
    return this.#strangers.size > 0 ? 'has yet to end an attempt that does not count' : ''
  }

  /** It has been told to describe itself. */
  ask(held: HeldAttempt): void {
    this.#asked.set(attemptKey(held.id), { held, reports: [] })
    this.#placement.withhold(held.id.runId)
  }

  asked(id: AttemptId): AskedAttempt | undefined {
    return this.#asked.get(attemptKey(id))
  }

  /** It has described itself, or will not any more. */
  answered(id: AttemptId): void {
    if (this.#asked.delete(attemptKey(id))) this.#placement.admit(id.runId)
  }

  /** It does not count, and holds what nobody has a record of. */
  distrust(id: AttemptId): void {
    this.#strangers.add(attemptKey(id))
  }

  /** It holds nothing any more. Says whether that was unknown. */
  released(id: AttemptId): boolean {
    return this.#strangers.delete(attemptKey(id))
  }

  /** The link is gone; the node's next hello begins anew. */
  close(): void {
    for (const { held } of this.#asked.values()) this.answered(held.id)
  }
}
