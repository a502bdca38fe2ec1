import type { Clock } from '../../common/clock.js'

/** Lets a log that is over go by as slowly as it came. */
export class Pace {
  readonly #clock: Clock
  /** How far the story, on the leader's clock, is behind ours. */
  #behindMs: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves when bytes that came at `atMs` are due; 0: nobody knows when, so at once. Rejects with the signal's reason. */
  async wait(atMs: number, signal: AbortSignal): Promise<void> {
    if (atMs === 0) return
    const nowMs = this.#clock.monotonic()
    this.#behindMs ??= nowMs - atMs
    const dueInMs = atMs + this.#behindMs - nowMs
    if (dueInMs > 0) await this.#clock.sleep(dueInMs, signal)
  }
}
