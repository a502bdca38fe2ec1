import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'

export interface GuessLimitSettings {
  /** Wrong guesses that may come at once. */
  readonly atOnce: number
  /** After which time one more may be wrong. */
  readonly everyMs: number
}

export const defaultGuessLimit: GuessLimitSettings = { atOnce: 20, everyMs: 3_000 }

/**
 * How many wrong guesses the whole cluster takes. Over it nothing is looked at, right ones included: otherwise whoever
 * guesses would lose nothing by going on.
 */
export class GuessLimit {
  readonly #settings: GuessLimitSettings
  readonly #clock: Clock
  /** When all that was guessed wrong will be forgiven, on the monotonic clock. */
  #forgivenAtMs = 0

  constructor(clock: Clock, settings: GuessLimitSettings = defaultGuessLimit) {
    this.#clock = clock
    this.#settings = settings
  }

  /** To be called before a guess is looked at. */
  check(): void {
    const { atOnce, everyMs } = this.#settings
    const waitMs = this.#forgivenAtMs - this.#clock.monotonic() - (atOnce - 1) * everyMs
    if (waitMs <= 0) return
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      'Too many wrong login codes were tried; try again in a moment.',
      {
        trailers: { 'retry-after-ms': String(Math.ceil(waitMs)) },
      },
    )
  }

  failed(): void {
    this.#forgivenAtMs = Math.max(this.#forgivenAtMs, this.#clock.monotonic()) + this.#settings.everyMs
  }
}
