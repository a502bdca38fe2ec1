import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { lookForEngine, startEngine, stopEngine } from '../setup/engine.mjs'
import { Stop } from '../setup/say.mjs'

// Suites that run side by side have one Docker Engine: the first that finds none starts it, and the last that ends stops it,
// whoever started it. An engine that was there before all of them stays.

const folder = join(tmpdir(), 'spell-test-engine')
const users = join(folder, 'users')
const startedByTests = join(folder, 'started')
const lock = join(folder, 'lock')

/** Sees to it that an engine answers; returns what lets go of it. */
export async function useEngine() {
  for (const each of [folder, users]) makeForAll(each)
  await alone(async () => {
    writeFileSync(join(users, String(process.pid)), '')
    if ((await lookForEngine()) !== 'silent') return
    const started = await startEngine()
    if (started.kind !== 'failed') return writeFileSync(startedByTests, engineNow())
    rmSync(join(users, String(process.pid)))
    throw new Stop(`The tests need a Docker Engine: ${started.reason}.`)
  })
  return () =>
    alone(async () => {
      rmSync(join(users, String(process.pid)), { force: true })
      if (readdirSync(users).some(isAlive)) return
      // A mark of one that has ended since, or of before a reboot, says nothing of somebody's own engine.
      if (textOf(startedByTests) === engineNow()) await stopEngine()
      rmSync(startedByTests, { force: true })
    })
}

/** No other suite is in here meanwhile. What a suite that was killed has left counts for nothing. */
async function alone(action) {
  const own = `${lock}-${process.pid}`
  writeFileSync(own, String(process.pid))
  while (!takes(own)) {
    const holder = textOf(lock)
    if (holder !== undefined && !isAlive(holder)) rmSync(lock, { force: true })
    else await delay(200)
  }
  try {
    return await action()
  } finally {
    rmSync(lock, { force: true })
    rmSync(own, { force: true })
  }
}

/** The lock is there with its holder's name in it, or not at all. */
function takes(own) {
  try {
    linkSync(own, lock)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function textOf(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** Which engine runs: its process, and the boot of the machine. */
function engineNow() {
  return `${textOf('/var/run/docker.pid')} ${textOf('/proc/sys/kernel/random/boot_id')}`
}

function isAlive(pid) {
  return existsSync(join('/proc', pid))
}

/** For suites of other users, too. */
function makeForAll(path) {
  if (existsSync(path)) return
  mkdirSync(path, { recursive: true })
  chmodSync(path, 0o777)
}
