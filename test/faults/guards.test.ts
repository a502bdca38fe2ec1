import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { runApart } from './schedule/apart.js'
import { build, copyBuild } from './schedule/build-copy.js'
import { type Guard, guards, without } from './schedule/guards.js'
import { planOf } from './schedule/plan.js'
import { chooseRounds, Lanes, laneCount } from './support/rounds.js'

// The schedules find what they are for: in a copy of the programs one guard after another is taken away, and one of the
// first twenty seeds must show it. Those seeds come first whose schedules hold what the guard is against.

const lanes = new Lanes(laneCount())
const { seeds } = chooseRounds({ rounds: 20, short: 20 }, 1)

const wanted = process.env.SPELL_GUARD
const fitting = guards.filter(({ name }) => wanted === undefined || name.includes(wanted))
if (fitting.length === 0)
  throw new Error(`No guard's name holds "${wanted}": ${guards.map(({ name }) => name).join(', ')}.`)
const chosen = fitting
  // In the short form it is only seen to that each guard is still there to be taken away: a schedule takes half a minute.
  .filter(() => process.env.SPELL_SHORT === undefined)
const table: string[] = []

const showsItsAbsence = test.macro({
  async exec(t: ExecutionContext, guard: Guard) {
    t.timeout(36_000_000)
    await lanes.use(async () => {
      const copy = await copyBuild((folder) => {
        const file = join(folder, guard.file)
        writeFileSync(file, without(guard, readFileSync(file, 'utf8')))
      })
      t.teardown(copy.remove)
      const others: string[] = []
      for (const seed of seedsFor(guard)) {
        const { faults, story, begun } = await runApart(copy.folder, seed)
        if (!begun) return t.fail(`the programs do not work at all without it: ${faults.join('; ')}`)
        for (const fault of faults.slice(0, 5)) t.log(`red at seed ${seed}: ${fault.slice(0, 300)}`)
        const seen = faults.find((fault) => guard.seenAs.test(fault))
        if (seen !== undefined) {
          table.push(`${guard.name}: seed ${seed}${afterOthers(others)}, ${seen.slice(0, 120)}`)
          return t.pass()
        }
        others.push(`${seed}${faults.length > 0 ? ' (red for another reason)' : ''}`)
        if (faults.length === 0) t.log(`green at seed ${seed}: ${story}`)
      }
      table.push(`${guard.name}: not seen${afterOthers(others)}`)
      t.fail(`nothing was seen within ${seeds.length} seeds`)
    })
  },
  title: (_, { name }) => `it is seen when this is taken away: ${name}`,
})

for (const guard of chosen) test(showsItsAbsence, guard)

test('every guard stands in the programs once', (t) => {
  for (const guard of guards) t.notThrows(() => without(guard, readFileSync(join(build, guard.file), 'utf8')))
})

test.after.always('in all', (t) => {
  for (const row of table) t.log(row)
})

const afterOthers = (seeds: readonly string[]) => (seeds.length > 0 ? ` after ${seeds.join(', ')}` : '')

function seedsFor({ shownBy }: Guard): readonly number[] {
  const fits = (seed: number) =>
    planOf(seed, '').lanes.some((lane) => lane.some(({ name }) => shownBy.includes(name)))
  return [...seeds.filter(fits), ...seeds.filter((seed) => !fits(seed))]
}
