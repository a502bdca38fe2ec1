import { Chance } from '../support/rounds.js'
import { clusterFaults } from './cluster-faults.js'
import type { Fault } from './fault.js'
import { nodeFaults } from './node-faults.js'
import { makeWork, type Work } from './work.js'

export const workCount = 50

export interface Planned {
  readonly name: string
  readonly fault: Fault
  /** Its own, so that what one fault draws changes nothing about the next. */
  readonly chance: Chance
  /** Milliseconds from the end of the one before. */
  readonly afterMs: number
  /** Nothing else befalls anybody meanwhile. */
  readonly alone: boolean
}

export interface Plan {
  readonly works: readonly Work[]
  /** Of a client after each submission, in milliseconds. */
  readonly pauses: readonly number[]
  /** Of the cluster and of nodes; each lane goes its own way. */
  readonly lanes: readonly (readonly Planned[])[]
}

/** The same for the same seed. */
export function planOf(seed: number, ledger: string): Plan {
  const chance = new Chance(seed)
  const works = makeWork(chance, workCount, ledger)
  const pauses = works.map(() => chance.between(0, 2_400))
  return { works, pauses, lanes: [lane(chance, clusterFaults, seed, 4), lane(chance, nodeFaults, seed, 2)] }
}

/** The first of its kind goes by the seed, so that seeds in a row meet every kind; the others are drawn. */
function lane(
  chance: Chance,
  kinds: Readonly<Record<string, Fault>>,
  seed: number,
  count: number,
): readonly Planned[] {
  const names = Object.keys(kinds)
  const planned: Planned[] = []
  for (let index = 0; index < count; index += 1) {
    const at = index === 0 ? seed % names.length : chance.between(0, names.length - 1)
    const name = names[at] ?? ''
    const fault = kinds[name]
    const own = new Chance(chance.between(0, 2 ** 31))
    if (!fault) continue
    planned.push({
      ...{ name, fault, chance: own, afterMs: chance.between(100, 800) },
      alone: name === 'lose-node-with-leader' || name === 'late-outputs',
    })
  }
  return planned
}
