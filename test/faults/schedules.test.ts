import test, { type ExecutionContext } from 'ava'
import { runSchedule } from './schedule/schedule.js'
import { chooseRounds, Lanes } from './support/rounds.js'

// Fifty runs on three nodes under two coordinators, as processes of their own with every connection through a proxy, while
// programs are killed and paused, links cut, answers and requests lost or late, nodes and the store away, and machines
// without power. At the end all is well again, and every rule of docs/ is checked, in etcd's whole history too.

// Seeds never tried before are for those who have the time to look into what they show: with every change it is the same few.
const { SPELL_SEED, SPELL_SHORT } = process.env
const { seeds } = chooseRounds(
  { rounds: 100, short: 2 },
  SPELL_SHORT !== undefined && SPELL_SEED === undefined ? 3 : undefined,
)
const lanes = new Lanes(1)

const schedule = test.macro({
  async exec(t: ExecutionContext, seed: number) {
    t.timeout(36_000_000)
    const { faults, story, log } = await lanes.use(() => runSchedule(seed))
    t.log(`seed ${seed}: ${story}`)
    if (faults.length > 0) t.log(log.join('\n'))
    t.deepEqual(faults, [])
  },
  title: (_, seed) => `seed ${seed}: fifty runs and a schedule of faults`,
})

for (const seed of seeds) test(schedule, seed)
