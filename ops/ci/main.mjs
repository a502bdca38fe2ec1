import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '../setup/built.mjs'
import { run } from '../setup/shell.mjs'
import { tryQuickstart } from './try-quickstart.mjs'

// What `.ci/run` does: the tests, the quickstart in a clone of its own, and the suites that a package script has a short
// form of. The last line is `N passed, N failed`, alone.

const shortSuites = ['test:faults', 'test:scale']
const counts = { passed: 0, failed: 0 }
/** What did not go well, said again at the end: a log of thousands of lines is read from there. */
const failures = []
const work = mkdtempSync(join(tmpdir(), 'spell-ci-'))

try {
  await section('npm test', testsOf)
  await section('npm run quickstart, in a fresh clone', async () =>
    oneOf(await tryQuickstart({ root, work, cache: cacheFolder() })),
  )
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const name of shortSuites.filter((suite) => suite in scripts)) {
    await section(`npm run ${name} -- --short`, async () =>
      oneOf((await npm('run', name, '--', '--short')) === 0),
    )
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
for (const failure of failures) process.stdout.write(`Failed: ${failure}\n`)
process.exitCode = counts.failed > 0 || counts.passed === 0 ? 1 : 0
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed\n`)

async function section(title, body) {
  process.stdout.write(`\n=== ${title}\n`)
  const started = performance.now()
  const {
    passed,
    failed,
    names = [],
  } = await body().catch((error) => {
    process.stdout.write(`${error?.stack ?? error}\n`)
    return { passed: 0, failed: 1 }
  })
  if (failed > 0)
    failures.push(...(names.length > 0 ? names : ['see above']).map((name) => `${title}: ${name}`))
  counts.passed += passed
  counts.failed += failed
  process.stdout.write(
    `=== ${title}: ${passed} passed, ${failed} failed, ${Math.round((performance.now() - started) / 1000)} s\n`,
  )
}

async function testsOf() {
  const file = join(work, 'summary.json')
  const code = await npm('test', { SPELL_TEST_SUMMARY: file })
  if (!existsSync(file)) return { passed: 0, failed: 1 }
  const summary = JSON.parse(readFileSync(file, 'utf8'))
  return code === 0 || summary.failed > 0 ? summary : { ...summary, failed: 1 }
}

function oneOf(good) {
  return good ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 }
}

async function npm(...words) {
  const last = words.at(-1)
  const env = typeof last === 'object' ? { ...process.env, ...words.pop() } : process.env
  return await run('npm', words, { cwd: root, env, stdio: ['ignore', 'inherit', 'inherit'] })
}

function cacheFolder() {
  return process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
}
