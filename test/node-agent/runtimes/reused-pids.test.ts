import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { controlFolderOf } from '../../../node-agent/runtimes/control-folder.js'
import { bootId } from '../../../node-agent/runtimes/linux-processes.js'
import { ProcessRuntime } from '../../../node-agent/runtimes/process.js'
import { until } from '../../contracts/runtime-under-test.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 1, attempt: 1 }

/** A process that no task knows, leader of a session of its own. */
function stranger(t: ExecutionContext, command: string, stdin?: number, stdout?: number): ChildProcess {
  const stdio = [stdin ?? 'ignore', stdout ?? 'ignore', 'ignore'] as const
  const child = spawn('/bin/sh', ['-c', command], { detached: true, stdio: [...stdio] })
  t.teardown(() => {
    if (child.pid !== undefined && isRunning(child)) process.kill(-child.pid, 'SIGKILL')
  })
  return child
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** A line of /proc/<pid>/stat as a supervisor with this pid would have noted it that began some ticks before. */
function statBefore(pid: number, ticks: number): string {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').trim().split(' ')
  fields[21] = String(Number(fields[21]) - ticks)
  return fields.join(' ')
}

/** A runtime that finds the notes of a task which has ended unseen. */
async function afterRestart(t: ExecutionContext, stat: string, collector: number): Promise<ProcessRuntime> {
  const attemptsFolder = await temporaryFolder(t)
  const control = controlFolderOf(attemptsFolder, id)
  mkdirSync(control, { recursive: true })
  writeFileSync(join(control, 'supervisor'), `${bootId()} ${stat}\n`)
  writeFileSync(join(control, 'collector'), `${collector}\n`)
  return new ProcessRuntime({ attemptsFolder }, systemClock)
}

async function ended(child: ChildProcess): Promise<number> {
  if (isRunning(child)) await once(child, 'exit')
  return child.pid ?? 0
}

test('whoever has the pid of a supervisor that is gone is left alone, with all his own', async (t) => {
  const folder = await temporaryFolder(t)
  const other = stranger(t, `sleep 100 & echo $! >${folder}/child; wait`)
  await until(() => readFileSync(join(folder, 'child'), 'utf8').endsWith('\n'), 'the stranger has a child')
  const pid = other.pid ?? 0
  const collector = Number(readFileSync(join(folder, 'child'), 'utf8'))
  const runtime = await afterRestart(t, statBefore(pid, 1), collector)
  t.is(await runtime.inspect(id), 'ended')
  await runtime.terminate(id)
  await runtime.kill(id)
  await runtime.remove(id)
  t.true(isRunning(other))
  t.notThrows(() => process.kill(collector, 0))
})

test('whoever has the pid of a collector that is gone does not make others members', async (t) => {
  const folder = await temporaryFolder(t)
  const first = stranger(t, 'true')
  const stat = statBefore(process.pid, 0).replace(/^\d+/, String(await ended(first)))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const reads = stranger(t, 'sleep 100; true', openSync(file, 'r'))
  const writes = stranger(t, 'sleep 100; true', undefined, openSync(file, 'a'))
  const piped = stranger(t, `sleep 100 | sh -c 'echo $$ >${folder}/end; exec sleep 100'`)
  await until(() => readFileSync(join(folder, 'end'), 'utf8').endsWith('\n'), 'the pipe has a reader')
  const end = Number(readFileSync(join(folder, 'end'), 'utf8'))
  for (const collector of [reads.pid ?? 0, end]) {
    const runtime = await afterRestart(t, stat, collector)
    t.is(await runtime.inspect(id), 'ended')
    await runtime.kill(id)
    await runtime.remove(id)
  }
  for (const other of [reads, writes, piped]) t.true(isRunning(other))
})
