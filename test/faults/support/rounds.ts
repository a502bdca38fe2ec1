import { availableParallelism } from 'node:os'
import { seededRandom, systemRandom } from '../../../common/random.js'

/** What a round of faults begins from: the same seed makes the same plan. */
export interface RoundChoice {
  /** One for each round, one after another. */
  readonly seeds: readonly number[]
}

/**
 * `SPELL_SEED`: the first seed, a random one when left out; `SPELL_ROUNDS`: how many rounds; `SPELL_SHORT=1`: as many as
 * are looked at with every change. `SPELL_SEED=<a printed seed> SPELL_ROUNDS=1` repeats one round.
 */
export function chooseRounds(
  usual: { readonly rounds: number; readonly short: number },
  firstSeed = Math.floor(systemRandom.next() * 1e9),
): RoundChoice {
  const { SPELL_SEED, SPELL_ROUNDS, SPELL_SHORT } = process.env
  const first = SPELL_SEED === undefined ? firstSeed : Number(SPELL_SEED)
  const rounds =
    SPELL_ROUNDS === undefined ? (SPELL_SHORT ? usual.short : usual.rounds) : Number(SPELL_ROUNDS)
  return { seeds: Array.from({ length: rounds }, (_, index) => first + index) }
}

/** `SPELL_LANES`: how many rounds go on at once; else as many as this machine has processors, and at most four. */
export function laneCount(): number {
  const { SPELL_LANES } = process.env
  if (SPELL_LANES === undefined) return Math.min(availableParallelism(), 4)
  if (!/^[1-9]\d*$/.test(SPELL_LANES))
    throw new Error(`SPELL_LANES is a number from 1 on, not "${SPELL_LANES}".`)
  return Number(SPELL_LANES)
}

/** Whole numbers and choices from one seed. */
export class Chance {
  readonly #random: ReturnType<typeof seededRandom>

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  /** From `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.#random.next() * (most - least + 1))
  }

  happens(probability: number): boolean {
    return this.#random.next() < probability
  }

  oneOf<Choice>(choices: readonly [Choice, ...Choice[]]): Choice {
    return choices[this.between(0, choices.length - 1)] ?? choices[0]
  }

  next(): number {
    return this.#random.next()
  }
}

/** Lets so many rounds go on at once; the others wait for their turn. */
export class Lanes {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free += 1
    }
  }
}
