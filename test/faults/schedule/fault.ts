import { leaderFailpoints } from '../../../coordinator/leader/failpoints.js'
import { storeFailpoints } from '../../../coordinator/store/failpoints.js'
import { agentFailpoints } from '../../../node-agent/failpoints.js'
import type { Failpoint } from '../support/program.js'
import type { Chance } from '../support/rounds.js'
import type { Scene } from './scene.js'

/** Does its harm, takes it back, and says in a few words what it was. */
export type Fault = (scene: Scene, chance: Chance) => Promise<string>

/** Sometimes a program comes back with the next kill in it. */
export function maybeArmed(chance: Chance, program: 'coordinator' | 'agent'): Failpoint | undefined {
  return chance.happens(0.35) ? armed(chance, program) : undefined
}

export function armed(chance: Chance, program: 'coordinator' | 'agent'): Failpoint {
  const names = program === 'agent' ? agentFailpoints : [...storeFailpoints, ...leaderFailpoints]
  return { name: names[chance.between(0, names.length - 1)] ?? '', nth: chance.between(1, 6) }
}

export const armedWords = (failpoint: Failpoint | undefined): string =>
  failpoint ? `, armed at ${failpoint.name} (${failpoint.nth}.)` : ''
