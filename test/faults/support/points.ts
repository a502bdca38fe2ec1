import { leaderFailpoints } from '../../../coordinator/leader/failpoints.js'
import { storeFailpoints } from '../../../coordinator/store/failpoints.js'
import { agentFailpoints } from '../../../node-agent/failpoints.js'
import type { Chance } from './rounds.js'

/** One place at which one program is killed, and what makes it come there. */
export interface Point {
  readonly program: 'coordinator' | 'node-agent'
  readonly name: string
  readonly nth: number
  /**
   * `by-itself`: the first leader, or the agent, comes there in the course of the round. `resign`: the leader is told to
   * end. `cut`: an answer of etcd is cut off. `take-over`: the other coordinator, when the leader is killed.
   */
  readonly how: 'by-itself' | 'resign' | 'cut' | 'take-over'
}

const names = [
  ...[...storeFailpoints, ...leaderFailpoints].map((name) => ({ program: 'coordinator' as const, name })),
  ...agentFailpoints.map((name) => ({ program: 'node-agent' as const, name })),
]

export const pointCount = names.length

/** How often a round of fifty runs is sure to come there; one where nothing else is said. */
const often: readonly (readonly [pattern: RegExp, times: number])[] = [
  [/^commit\.(before-send|after-answer)$/, 20],
  [/^submit\./, 40],
  [/^assign\./, 3],
  [/^report\./, 10],
  [/^steer\./, 2],
  [/^archive\./, 2],
  [/^journal-/, 20],
  [/^(assigned|building|prepared|code-placed|starting|started)$/, 40],
  [/^(ended|saving|outputs-sent|saved|finished|forgotten|removed)$/, 40],
  [/^ending$/, 3],
  [/^reports-/, 5],
]

/** As many seeds in a row as there are points meet every point once; neighbouring seeds meet points far apart. */
export function pointFor(seed: number, chance: Chance): Point {
  const stride = coprimeTo(pointCount, Math.floor(pointCount * 0.618))
  const { program, name } = names[(seed * stride) % pointCount] ?? { program: 'coordinator', name: '' }
  const most = often.find(([pattern]) => pattern.test(name))?.[1] ?? 1
  return { program, name, nth: chance.between(1, most), how: howTo(name, chance) }
}

function howTo(name: string, chance: Chance): Point['how'] {
  if (name.startsWith('resign.')) return 'resign'
  if (name.endsWith('-resolve')) return 'cut'
  // Now as the first leader that the cluster ever has, now as the successor of one that left something behind.
  if (name.startsWith('take-over.')) return chance.happens(0.3) ? 'by-itself' : 'take-over'
  return 'by-itself'
}

function coprimeTo(count: number, from: number): number {
  for (let stride = from; ; stride += 1) if (greatestCommonDivisor(stride, count) === 1) return stride
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
