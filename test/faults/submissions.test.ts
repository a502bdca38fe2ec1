import test, { type ExecutionContext } from 'ava'
import { type PoolBase, startPoolBase } from './support/pool.js'
import { chooseRounds, Lanes } from './support/rounds.js'
import { submissionRound } from './support/submission-round.js'

// Must hold whatever happens: a run accepted is a run kept, and ids ascend without gaps or repeats. A thousand submissions
// from twenty clients, while the two coordinators are killed again and again and connections to etcd are cut at the worst
// moments. Each round prints its seed.

const { seeds } = chooseRounds({ rounds: 10, short: 1 })
const lanes = new Lanes(1)

const round = test.macro({
  async exec(t: ExecutionContext, seed: number) {
    t.timeout(600_000)
    await lanes.use(async () => {
      const base: PoolBase = await startPoolBase()
      try {
        const { faults, figures, log } = await submissionRound(base, seed)
        t.log(JSON.stringify(figures))
        if (faults.length > 0) t.log(log.join('\n'))
        t.deepEqual(faults, [])
      } finally {
        await base.stop()
      }
    })
  },
  title: (_, seed) =>
    `seed ${seed}: 1,000 submissions from 20 clients over killed coordinators are 1,000 runs, each once`,
})

for (const seed of seeds) test(round, seed)
