import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, seeToBuild } from '../setup/built.mjs'
import { lookForEngine, startEngine, stopEngine } from '../setup/engine.mjs'
import {
  busybox,
  debootstrap,
  docker,
  etcd,
  etcdClient,
  git,
  install,
  missingOf,
  openssl,
  packagesOf,
  protoc,
  python,
  pythonGrpc,
  whyNotInstallable,
} from '../setup/packages.mjs'
import { runMain, Stop, say } from '../setup/say.mjs'
import { run } from '../setup/shell.mjs'
import { runAva } from './run-ava.mjs'

// `npm test [-- AVA'S WORDS…]`: installs what tests need, builds, lints, and runs the tests on real etcd, Docker and git.
// What it starts it ends. SPELL_TEST_SUMMARY names a file for the numbers.

const needs = [etcd, etcdClient, docker, git, debootstrap, busybox, python, openssl, pythonGrpc, protoc]

runMain(async () => {
  await seeToPackages()
  await seeToBuild('with-tests')
  const lint = await run(
    process.execPath,
    [join(root, 'node_modules/@biomejs/biome/bin/biome'), 'check', '.'],
    { cwd: root },
  )
  const endEngine = await seeToEngine()
  try {
    const counts = await runAva(process.argv.slice(2))
    const summary = {
      passed: counts.passed + (lint === 0 ? 1 : 0),
      failed: counts.failed + (lint === 0 ? 0 : 1),
    }
    if (process.env.SPELL_TEST_SUMMARY) writeFileSync(process.env.SPELL_TEST_SUMMARY, JSON.stringify(summary))
    say(
      `\n${lint === 0 ? '' : 'Lint found mistakes (see above). '}${summary.passed} passed, ${summary.failed} failed`,
    )
    return summary.failed > 0 || summary.passed === 0 ? 1 : 0
  } finally {
    await endEngine()
  }
})

async function seeToPackages() {
  const missing = missingOf(needs, existsSync)
  if (missing.length === 0) return
  const obstacle = whyNotInstallable()
  if (obstacle !== undefined) {
    throw new Stop(
      `The tests need these, which can't be installed from here: ${obstacle}. Have them installed:\n` +
        `    apt-get install --no-install-recommends ${packagesOf(missing).join(' ')}`,
    )
  }
  await install(missing)
}

/** Returns what ends the engine, if one had to be started. */
async function seeToEngine() {
  if ((await lookForEngine()) !== 'silent') return async () => {}
  const started = await startEngine()
  if (started.kind === 'failed') throw new Stop(`The tests need a Docker Engine: ${started.reason}.`)
  return stopEngine
}
