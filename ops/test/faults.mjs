import { parseArgs } from 'node:util'
import { seeToBuild } from '../setup/built.mjs'
import { runMain, Stop } from '../setup/say.mjs'
import { seeToPackages } from './needs.mjs'
import { runAva } from './run-ava.mjs'
import { useEngine } from './shared-engine.mjs'

// `npm run test:faults [-- --short] [-- NAME…]`: every test of test/faults, or those whose file begins with a NAME. They kill
// real programs at random and chosen moments; seeds are printed.
//
//   --short            what takes minutes; the whole takes hours, `schedules` alone about one, `guards` as long
//   --seeds 8-99       those seeds, or one (`--seeds 8`); the same as SPELL_SEED=8 SPELL_ROUNDS=92
//   --guard WORDS      of `guards` those whose names hold these words (SPELL_GUARD)
//   --lanes N          so many schedules at once (SPELL_LANES); else as many as there are processors, and at most four
//
// With SPELL_BUILD, what is built there is taken as it is.

const { values, positionals } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    seeds: { type: 'string' },
    guard: { type: 'string' },
    lanes: { type: 'string' },
  },
  allowPositionals: true,
})

runMain(async () => {
  const environment = chosen()
  await seeToPackages()
  if (process.env.SPELL_BUILD === undefined) await seeToBuild('with-tests')
  const build = process.env.SPELL_BUILD ?? 'dist'
  const leaveEngine = await useEngine()
  try {
    const files = positionals.map((name) => `${build}/test/faults/**/${name}*.test.js`)
    const counts = await runAva(['--config', 'ava.faults.config.js', ...files], environment)
    return counts.failed > 0 || counts.passed === 0 ? 1 : 0
  } finally {
    await leaveEngine()
  }
})

/** What was asked for, in the words that the tests read. */
function chosen() {
  const { short, seeds, guard, lanes } = values
  const environment = short ? { SPELL_SHORT: '1' } : {}
  if (seeds !== undefined) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(seeds) ?? []
    if (first === undefined || Number(last) < Number(first))
      throw new Stop(`--seeds takes a number, or two with a dash between, the smaller first; not "${seeds}".`)
    environment.SPELL_SEED = first
    environment.SPELL_ROUNDS = String(Number(last) - Number(first) + 1)
  }
  if (lanes !== undefined) {
    if (!/^[1-9]\d*$/.test(lanes)) throw new Stop(`--lanes takes a number from 1 on, not "${lanes}".`)
    environment.SPELL_LANES = lanes
  }
  if (guard !== undefined) environment.SPELL_GUARD = guard
  return environment
}
