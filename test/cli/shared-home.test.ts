import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { addContext, readConfig, useContext } from '../../cli/config.js'
import { Failure } from '../../cli/failure.js'
import { asNobody } from '../fixtures/as-nobody.js'
import { startCluster } from '../fixtures/cluster.js'
import { desk } from './support/spell.js'

// A client's directory as it is on a file server: several machines write to it, without locks, sockets or hard links, and
// root is nobody there.

test('many programs that change the config at once lose nothing of one another', async (t) => {
  const { directory, spell, tidy } = await desk()
  t.teardown(tidy)
  const names = Array.from({ length: 6 }, (_, index) => `lab-${index}`)
  for (const name of names) await add(directory, name)
  await Promise.all([
    ...names.slice(0, 3).map(async (name) => t.is((await spell(['context', 'use', name])).code, 0)),
    ...names.slice(3, 5).map(async (name) => t.is((await spell(['context', 'rm', name])).code, 0)),
    ...['new-1', 'new-2', 'new-3'].map((name) => add(directory, name)),
  ])
  const config = await readConfig(directory)
  t.deepEqual(config.contexts.map(({ name }) => name).sort(), [
    'lab-0',
    'lab-1',
    'lab-2',
    'lab-5',
    'new-1',
    'new-2',
    'new-3',
  ])
  t.true(names.slice(0, 3).includes(config.currentContext ?? ''))
  t.deepEqual(
    readdirSync(directory).filter((name) => name !== 'config'),
    [],
  )
})

test('the lock of a program that has died is taken over by the time of the files, not of this machine', async (t) => {
  const { directory, spell, tidy } = await desk()
  t.teardown(tidy)
  await add(directory, 'lab')
  const lock = join(directory, 'config.lock')
  writeFileSync(lock, '')
  utimesSync(lock, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000))
  t.is((await spell(['context', 'use', 'lab'])).code, 0)
  writeFileSync(lock, '')
  const { code, stderr } = await spell(['context', 'use', 'lab'])
  t.is(code, 3)
  t.regex(stderr, /is held by another spell command; remove it if there is none/)
  t.true(existsSync(lock))
})

test.serial('a directory that may not be read is a sentence, for root on a file server too', async (t) => {
  const { directory, tidy } = await desk()
  t.teardown(tidy)
  await add(directory, 'lab')
  await chmod(directory, 0o000)
  t.teardown(() => chmod(directory, 0o700))
  for (const action of [() => readConfig(directory), () => useContext(directory, 'lab')])
    await t.throwsAsync(asNobody<unknown>(action), {
      instanceOf: Failure,
      message: /^Could not (read|write) .*EACCES: permission denied/,
    })
})

test.serial('a cluster comes up where there are no hard links', async (t) => {
  const patch = `
    import fs from 'node:fs'
    import { syncBuiltinESMExports } from 'node:module'
    fs.linkSync = () => { throw Object.assign(new Error('no links'), { code: 'EPERM' }) }
    syncBuiltinESMExports()`
  const cluster = await startCluster(t, {
    runtime: 'dummy',
    environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(patch)}` },
  })
  t.is((await cluster.status()).state, 'up')
  t.regex((await cluster.up()).stderr, /is in use/)
  t.regex((await cluster.spell(['run', '-f', 'echo here'])).stdout, /^here$/m)
})

async function add(directory: string, name: string): Promise<void> {
  const context = { name, addresses: ['127.0.0.1:1'], ca: '', token: 'secret', userName: 'ada' }
  await addContext(directory, context)
}
