import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { ProcessStarter } from '../../../node-agent/runtimes/process-starter.js'

/** Says who started it and who it is, closes its first stdout, and lives until it is killed. */
const waiting = 'echo "$PPID $$" >pids; exec >/dev/null; exec tail -f /dev/null'

test('what was started outlives the starter, and another one takes its place', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spell-starter-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // To wait for an end is the agent's business, and keeps no process by itself.
  const kept = setInterval(() => undefined, 60_000)
  t.teardown(() => clearInterval(kept))
  const starter = new ProcessStarter()
  const start = async (script: string) => {
    let tell = (): void => undefined
    const over = new Promise<void>((resolve) => {
      tell = resolve
    })
    const order = { program: '/bin/sh', args: ['-c', script], folder, env: { PATH: '/usr/bin:/bin' } }
    await starter.start(order, tell)
    return { over }
  }
  const pids = () => readFileSync(join(folder, 'pids'), 'utf8').split(' ').map(Number)

  const first = await start(waiting)
  const [firstStarter = 0, survivor = 0] = pids()
  process.kill(firstStarter, 'SIGKILL')
  await first.over
  t.notThrows(() => process.kill(survivor, 0))

  const second = await start(waiting)
  const [secondStarter = 0, last = 0] = pids()
  t.not(secondStarter, firstStarter)
  process.kill(last, 'SIGKILL')
  await second.over
  process.kill(survivor, 'SIGKILL')
  process.kill(secondStarter, 'SIGKILL')
})

test('a program that is not there is no reason to try again', async (t) => {
  const starter = new ProcessStarter()
  const order = { program: '/no/such/program', args: [], folder: '/', env: {} }
  await t.throwsAsync(
    starter.start(order, () => undefined),
    { code: 'FAILED_PRECONDITION', message: /does not start: .*ENOENT/ },
  )
})
