import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../common/clock.js'
import { runApart } from './schedule/apart.js'
import { type BuildCopy, copyBuild } from './schedule/build-copy.js'
import type { ScheduleResult } from './schedule/schedule.js'
import { chooseRounds, Lanes, laneCount } from './support/rounds.js'

// Fifty runs on three nodes under two coordinators, as processes of their own with every connection through a proxy, while
// programs are killed and paused, links cut, answers and requests lost or late, nodes and the store away, and machines
// without power. At the end all is well again, and every rule of docs/ is checked, in etcd's whole history too.

// Seeds never tried before are for those who have the time to look into what they show: with every change it is the same few.
const { SPELL_SEED, SPELL_SHORT } = process.env
const { seeds } = chooseRounds(
  { rounds: 100, short: 2 },
  SPELL_SHORT !== undefined && SPELL_SEED === undefined ? 3 : undefined,
)
// Most of a schedule's time is waiting.
const lanes = new Lanes(laneCount())
const startedAt = systemClock.monotonic()
const results: ScheduleResult[] = []
const copy: Promise<BuildCopy> = copyBuild()

const schedule = test.macro({
  async exec(t: ExecutionContext, seed: number) {
    t.timeout(36_000_000)
    const result = await lanes.use(async () => runApart((await copy).folder, seed))
    results.push(result)
    const { faults, story, log } = result
    t.log(`seed ${seed}: ${story}`)
    for (const fault of faults) t.log(fault)
    if (faults.length > 0) t.log(log.join('\n'))
    t.deepEqual(faults, [])
  },
  title: (_, seed) => `seed ${seed}: fifty runs and a schedule of faults`,
})

for (const seed of seeds) test(schedule, seed)

test.after.always('in all', async (t) => {
  const { remove } = await copy
  remove()
  const red = results.filter(({ faults }) => faults.length > 0).map(({ seed }) => seed)
  const sum = (of: 'commits' | 'terms' | 'repeated' | 'interrupted') =>
    results.reduce((total, { figures }) => total + figures[of], 0)
  const minutes = Math.round((systemClock.monotonic() - startedAt) / 6_000) / 10
  t.log(
    `${results.length} of ${seeds.length} seeds from ${seeds[0]}, ` +
      `${red.length === 0 ? 'none red' : `red: ${red.join(' ')}`}, ${minutes} min in ${laneCount()} lanes: ` +
      `${sum('commits')} commits, ${sum('terms')} terms, ${sum('repeated')} runs repeated, ${sum('interrupted')} interrupted`,
  )
})
