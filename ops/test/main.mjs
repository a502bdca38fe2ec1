import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, seeToBuild } from '../setup/built.mjs'
import { runMain, say } from '../setup/say.mjs'
import { run } from '../setup/shell.mjs'
import { seeToPackages } from './needs.mjs'
import { runAva } from './run-ava.mjs'
import { useEngine } from './shared-engine.mjs'

// `npm test [-- AVA'S WORDS…]`: installs what tests need, builds, lints, and runs the tests on real etcd, Docker and git.
// What it starts it ends. SPELL_TEST_SUMMARY names a file for the numbers.

runMain(async () => {
  await seeToPackages()
  await seeToBuild('with-tests')
  const lint = await run(
    process.execPath,
    [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check', '.'],
    { cwd: root },
  )
  const leaveEngine = await useEngine()
  try {
    const counts = await runAva(process.argv.slice(2))
    const summary = {
      passed: counts.passed + (lint === 0 ? 1 : 0),
      failed: counts.failed + (lint === 0 ? 0 : 1),
      names: counts.names,
    }
    if (process.env.SPELL_TEST_SUMMARY) writeFileSync(process.env.SPELL_TEST_SUMMARY, JSON.stringify(summary))
    say(
      `\n${lint === 0 ? '' : 'Lint found mistakes (see above). '}${summary.passed} passed, ${summary.failed} failed`,
    )
    return summary.failed > 0 || summary.passed === 0 ? 1 : 0
  } finally {
    await leaveEngine()
  }
})
