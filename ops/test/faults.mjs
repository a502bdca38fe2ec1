import { parseArgs } from 'node:util'
import { seeToBuild } from '../setup/built.mjs'
import { runMain } from '../setup/say.mjs'
import { seeToEngine, seeToPackages } from './needs.mjs'
import { runAva } from './run-ava.mjs'

// `npm run test:faults [-- --short] [-- NAME…]`: every test of test/faults, or those whose file begins with a NAME. They kill
// real programs at random and chosen moments; seeds are printed, and SPELL_SEED and SPELL_ROUNDS repeat them. `--short` takes
// minutes; the whole is hours: `schedules` alone takes one, `guards` as long. With SPELL_BUILD, what is built there is taken as it is.

const { values, positionals } = parseArgs({
  options: { short: { type: 'boolean', default: false } },
  allowPositionals: true,
})

runMain(async () => {
  await seeToPackages()
  if (process.env.SPELL_BUILD === undefined) await seeToBuild('with-tests')
  const build = process.env.SPELL_BUILD ?? 'dist'
  const endEngine = await seeToEngine()
  try {
    const files = positionals.map((name) => `${build}/test/faults/**/${name}*.test.js`)
    const counts = await runAva(
      ['--config', 'ava.faults.config.js', ...files],
      values.short ? { SPELL_SHORT: '1' } : {},
    )
    return counts.failed > 0 || counts.passed === 0 ? 1 : 0
  } finally {
    await endEngine()
  }
})
