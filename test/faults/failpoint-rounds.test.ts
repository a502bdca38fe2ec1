import test, { type ExecutionContext } from 'ava'
import { type FailpointRound, failpointRound } from './support/failpoint-round.js'
import { pointFor } from './support/points.js'
import { type PoolBase, startPoolBase } from './support/pool.js'
import { Chance, chooseRounds, Lanes } from './support/rounds.js'

// Fifty runs from Submit to the archive over two coordinators and an agent, with one kill at a failpoint of one of them;
// seeds in a row meet every failpoint of the three lists in turn. One that is not reached in its round fails its test.

const { seeds } = chooseRounds({ rounds: 200, short: 20 })
const lanes = new Lanes(3)
let base: PoolBase

test.before(async () => {
  base = await startPoolBase()
})
test.after.always(async () => {
  await base?.stop()
})

/** A coordinator that lost the lead to the other on a busy machine, before its point, gets another try. */
async function tryRound(seed: number): Promise<FailpointRound> {
  for (let again = 0; ; again += 1) {
    const round = await failpointRound(base, seed, again)
    if (again === 2 || round.faults.length > 0 || !round.ledElsewhere) return round
  }
}

const round = test.macro({
  async exec(t: ExecutionContext, seed: number) {
    t.timeout(3_600_000)
    const { point, faults, reached, seconds, log } = await lanes.use(() => tryRound(seed))
    t.log(JSON.stringify({ seed, ...point, reached, seconds }))
    if (faults.length > 0 || !reached) t.log(log.join('\n'))
    t.deepEqual(faults, [])
    t.true(reached, `${point.name} was not reached for the ${point.nth}. time in its round`)
  },
  title: (_, seed) => {
    const { program, name, nth } = pointFor(seed, new Chance(seed))
    return `seed ${seed}: fifty runs while a ${program} is killed at ${name} (${nth}.)`
  },
})

for (const seed of seeds) test(round, seed)
