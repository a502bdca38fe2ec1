import type { Clock, Timer } from '../common/clock.js'
import type { Attempt } from './attempts/attempt.js'
import type { Intent } from './attempts/intent.js'
import type { BootClock } from './boot-clock.js'

/** What is left for SIGKILL to take effect, in milliseconds; less where the whole time is short. */
const marginMs = 10_000
const lookEveryMs = 1_000

export interface FencePlan {
  /** Milliseconds after the leader last certainly heard the node at which the end begins. */
  readonly beginAfterMs: number
  readonly graceMs: number
}

/**
 * The leader starts the next attempt `lostAfterMs` after it last received a heartbeat, which is later than this node sent
 * it. By then this one's grace, its SIGKILL and a margin must be over; a grace too long for that is cut short.
 */
export function fencePlan(lostAfterMs: number, graceMs: number): FencePlan {
  const margin = Math.min(marginMs, lostAfterMs / 4)
  const grace = Math.min(graceMs, (lostAfterMs - margin) / 2)
  return { beginAfterMs: lostAfterMs - margin - grace, graceMs: grace }
}

/** Ends replaceable attempts whose leader will soon think them lost. Every other attempt outlives any silence. */
export class Fence {
  readonly #clock: Clock
  readonly #boot: BootClock
  readonly #heardAtMs: () => number | undefined
  readonly #attempts: () => readonly Attempt[]
  readonly #onWish: (wish: Promise<void>) => void
  #timer: Timer | undefined

  constructor(parts: {
    readonly clock: Clock
    readonly boot: BootClock
    readonly heardAtMs: () => number | undefined
    readonly attempts: () => readonly Attempt[]
    readonly onWish: (wish: Promise<void>) => void
  }) {
    this.#clock = parts.clock
    this.#boot = parts.boot
    this.#heardAtMs = parts.heardAtMs
    this.#attempts = parts.attempts
    this.#onWish = parts.onWish
  }

  start(): void {
    this.look()
    this.#timer = this.#clock.timer(lookEveryMs, () => this.start())
  }

  stop(): void {
    this.#timer?.cancel()
  }

  look(): void {
    const nowMs = this.#boot.now()
    for (const attempt of this.#attempts()) {
      const { replaceable, lostAfterMs, graceMs } = attempt.assignment
      if (!replaceable || attempt.released || attempt.progress === 'over') continue
      const plan = fencePlan(lostAfterMs, graceMs)
      const silentMs = nowMs - (this.#heardAtMs() ?? attempt.assignedAtMs)
      if (silentMs < plan.beginAfterMs) continue
      // Who was stopped before, with a longer grace, is killed when this one's would be over.
      const late = silentMs >= plan.beginAfterMs + plan.graceMs
      const fenced = { endedBy: 'fence', reason } as const
      const wish: Intent =
        late && attempt.intent
          ? { kind: 'kill', ...fenced }
          : { kind: 'stop', ...fenced, graceMs: plan.graceMs }
      this.#onWish(attempt.wish(wish))
    }
  }
}

const reason = 'The node could not reach the cluster, which may have started the run elsewhere.'
