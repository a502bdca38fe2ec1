import type { ExecutionContext } from 'ava'
import { type Bench, never, output, untilOutput } from './runtime-under-test.js'

export type RuntimeCase = (t: ExecutionContext, bench: Bench) => Promise<void>

/** Commands that mean the same to a shell and to the dummy, what they print, and how they end. */
const commands: readonly (readonly [command: string, printed: string, exitCode: number])[] = [
  ['echo hello', 'hello\n', 0],
  ['true', '', 0],
  ['exit 3', '', 3],
  ['echo one; sleep 0.2; echo two', 'one\ntwo\n', 0],
  ['false && echo no', '', 1],
  ['echo kept && exit 7; echo lost', 'kept\n', 7],
]

/** What every runtime promises (node-agent/runtimes/runtime.ts); each is a test on each runtime. */
export const runtimeContract: Readonly<Record<string, RuntimeCase>> = {
  'a command prints and ends as in a shell': async (t, bench) => {
    const tasks = await Promise.all(commands.map(([command]) => bench.start(command)))
    for (const [index, [command, printed, exitCode]] of commands.entries()) {
      const task = tasks[index]
      if (!task) return t.fail()
      t.deepEqual(await bench.runtime.wait(task.id, never), { exitCode, outOfMemory: false }, command)
      t.is(output(task), printed, command)
    }
  },

  'a task that was started is not started again, also by a new agent': async (t, bench) => {
    const task = await bench.start('echo once; sleep 0.3')
    const prepared = await bench.prepare(task)
    await bench.runtime.start(task, prepared)
    bench.reopen()
    await bench.runtime.start(task, prepared)
    await bench.runtime.wait(task.id, never)
    await bench.runtime.start(task, prepared)
    t.is(await bench.runtime.inspect(task.id), 'ended')
    t.is(output(task), 'once\n')
  },

  'several wait at once, and again after the end': async (t, bench) => {
    const task = await bench.start('sleep 0.2; exit 5')
    const ends = await Promise.all([1, 2, 3].map(() => bench.runtime.wait(task.id, never)))
    ends.push(await bench.runtime.wait(task.id, never))
    t.deepEqual(
      ends.map(({ exitCode }) => exitCode),
      [5, 5, 5, 5],
    )
  },

  'the end of a task is found by an agent that was started meanwhile': async (t, bench) => {
    const task = await bench.start('echo before; sleep 2; echo after; exit 4')
    bench.reopen()
    t.is(await bench.runtime.inspect(task.id), 'running')
    t.deepEqual(await bench.runtime.wait(task.id, never), { exitCode: 4, outOfMemory: false })
    bench.reopen()
    t.deepEqual(await bench.runtime.wait(task.id, never), { exitCode: 4, outOfMemory: false })
    t.is(output(task), 'before\nafter\n')
  },

  'terminate ends a command and nothing after it is run': async (t, bench) => {
    const task = await bench.start('echo start; sleep 100; echo after')
    const ended = bench.runtime.wait(task.id, never)
    await untilOutput(task, 'start')
    await bench.runtime.terminate(task.id)
    t.deepEqual(await ended, { exitCode: 143, outOfMemory: false })
    t.is(output(task), 'start\n')
  },

  'terminate right after start reaches the command': async (t, bench) => {
    const tasks = await Promise.all([1, 2, 3, 4].map(() => bench.start('sleep 100; echo after')))
    await Promise.all(tasks.map(({ id }) => bench.runtime.terminate(id)))
    for (const task of tasks) {
      t.is((await bench.runtime.wait(task.id, never)).exitCode, 143)
      t.is(output(task), '')
    }
  },

  'kill ends a command that is deaf to terminate, for a new agent too': async (t, bench) => {
    const task = await bench.start(`${bench.deaf}; echo deaf; sleep 100; sleep 100`)
    const ended = bench.runtime.wait(task.id, never)
    await untilOutput(task, 'deaf')
    await bench.runtime.terminate(task.id)
    t.is(await bench.runtime.inspect(task.id), 'running')
    await bench.runtime.kill(task.id)
    t.is((await ended).exitCode, 137)
    t.is(output(task), 'deaf\n')
  },

  'signals and removal of what has ended or was never there succeed': async (t, bench) => {
    const ended = await bench.start('echo done')
    const end = await bench.runtime.wait(ended.id, never)
    for (const { id } of [ended, bench.task('echo never started')]) {
      await bench.runtime.terminate(id)
      await bench.runtime.kill(id)
    }
    t.deepEqual(await bench.runtime.wait(ended.id, never), end)
    t.is(output(ended), 'done\n')
    for (const { id } of [ended, ended, bench.task('echo never started')]) {
      await bench.runtime.remove(id)
      t.is(await bench.runtime.inspect(id), 'absent')
    }
  },

  'removing a task that runs ends it': async (t, bench) => {
    const task = await bench.start('echo start; sleep 100')
    await bench.runtime.remove(task.id)
    t.is(await bench.runtime.inspect(task.id), 'absent')
  },

  'what is known is listed until it is removed': async (t, bench) => {
    const running = await bench.start('sleep 100')
    const ended = await bench.start('true')
    await bench.runtime.wait(ended.id, never)
    bench.reopen()
    const byRun = async () => (await bench.runtime.list()).toSorted((one, other) => one.runId - other.runId)
    t.deepEqual(await byRun(), [running.id, ended.id])
    await bench.runtime.remove(running.id)
    t.deepEqual(await byRun(), [ended.id])
    await bench.runtime.remove(ended.id)
    t.deepEqual(await byRun(), [])
  },

  'waiting for a task that is not there is NOT_FOUND': async (t, bench) => {
    const task = bench.task('true')
    await t.throwsAsync(bench.runtime.wait(task.id, never), { code: 'NOT_FOUND' })
  },

  'who waits can stop waiting; the task goes on': async (t, bench) => {
    const task = await bench.start('sleep 2; echo went on')
    const given = new AbortController()
    const waiting = bench.runtime.wait(task.id, given.signal)
    given.abort(new Error('no time'))
    await t.throwsAsync(waiting, { message: 'no time' })
    await bench.runtime.wait(task.id, never)
    t.is(output(task), 'went on\n')
  },

  'output past its limit is discarded and does not hold the command up': async (t, bench) => {
    const line = 'x'.repeat(1000)
    const command = Array.from({ length: 20 }, () => `echo ${line}`).join('; ')
    const task = await bench.start(`${command}; exit 6`, { outputLimitBytes: 1024 })
    t.is((await bench.runtime.wait(task.id, never)).exitCode, 6)
    t.is(output(task), `${line}\n${line}`.slice(0, 1024))
  },

  'another attempt of the same run is another task': async (t, bench) => {
    const first = await bench.start('exit 1')
    const second = await bench.start('exit 2', { id: { ...first.id, attempt: 2 } })
    t.is((await bench.runtime.wait(second.id, never)).exitCode, 2)
    t.is((await bench.runtime.wait(first.id, never)).exitCode, 1)
  },

  'a folder that is not there to run in is FAILED_PRECONDITION': async (t, bench) => {
    await t.throwsAsync(bench.start('true', { workingDirectory: 'nowhere' }), { code: 'FAILED_PRECONDITION' })
    await t.throwsAsync(bench.start('true', { workingDirectory: '../..' }), { code: 'FAILED_PRECONDITION' })
  },

  'the runtime tells its version and what the machine has': async (t, bench) => {
    const facts = await bench.runtime.describe(never)
    t.true(facts.version.length > 0)
    t.true(facts.cpus >= 1)
    t.true(facts.memoryBytes > 2 ** 27)
  },
}
