import type { Chance } from './rounds.js'

/** What goes wrong when so many submissions have been answered. */
export interface Trouble {
  readonly at: number
  readonly kind:
    | 'kill-leader'
    | 'kill-other'
    | 'kill-both'
    | 'kill-after-commit'
    | 'pause-leader'
    | 'cut-answer'
    | 'late-request'
    | 'cut-all'
  /** Before a kill, or before a late request arrives, in milliseconds. */
  readonly waitMs: number
}

/** At least five kills, some in the middle of a take-over; the same for the same seed. */
export function planTroubles(chance: Chance, submissions: number): Trouble[] {
  const troubles: Trouble[] = []
  const somewhere = () => chance.between(1, submissions - 1)
  for (let kill = chance.between(5, 7); kill > 0; kill -= 1) {
    const at = somewhere()
    const kinds = ['kill-leader', 'kill-leader', 'kill-after-commit', 'kill-other', 'kill-both'] as const
    troubles.push({ at, kind: chance.oneOf(kinds), waitMs: chance.between(0, 30) })
    if (chance.happens(0.3)) troubles.push({ at, kind: 'kill-leader', waitMs: chance.between(0, 1_500) })
  }
  troubles.push({ at: somewhere(), kind: 'pause-leader', waitMs: 0 })
  for (let cut = 0; cut < 20; cut += 1) troubles.push({ at: somewhere(), kind: 'cut-answer', waitMs: 0 })
  for (let late = 0; late < 8; late += 1)
    troubles.push({ at: somewhere(), kind: 'late-request', waitMs: chance.between(5, 400) })
  for (let cut = 0; cut < 3; cut += 1) troubles.push({ at: somewhere(), kind: 'cut-all', waitMs: 0 })
  return troubles.sort((a, b) => a.at - b.at)
}
