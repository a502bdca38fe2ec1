import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { endProcesses } from '../../../cli/cluster/end-processes.js'
import { identityOf, processesWith } from '../../../cli/cluster/process-table.js'
import type { ProcessPlan } from '../../../cli/cluster/processes.js'
import type { ProcessProgress } from '../../../cli/cluster/progress-file.js'
import { Supervisor } from '../../../cli/cluster/supervisor.js'
import { systemClock } from '../../../common/clock.js'
import { silentLog } from '../../../common/log.js'
import { seededRandom } from '../../../common/random.js'

/** Real processes under a supervisor whose every report can be waited for. */
class Stage {
  readonly folder: string
  reports: readonly ProcessProgress[] = []
  #changed = () => {}
  #leave = new AbortController()
  #kept: Promise<void> = Promise.resolve()

  constructor(folder: string) {
    this.folder = folder
  }

  plan(name: string, change: Partial<ProcessPlan> = {}): ProcessPlan {
    const mark = `--mark=${this.folder}/${name}`
    return {
      role: 'node-agent',
      name,
      command: process.execPath,
      args: ['-e', 'console.log("here I am"); setInterval(() => {}, 1000)', '--', mark],
      mark,
      address: undefined,
      needs: [],
      logFile: join(this.folder, `${name}.log`),
      fingerprint: 'first',
      ...change,
    }
  }

  keep(...plans: readonly ProcessPlan[]): void {
    this.#leave = new AbortController()
    const parts = {
      clock: systemClock,
      random: seededRandom(1),
      log: silentLog,
      environment: { PATH: '/usr/bin:/bin' },
      report: (reports: readonly ProcessProgress[]) => {
        this.reports = reports
        this.#changed()
      },
    }
    this.#kept = new Supervisor(parts, this.reports).keep(plans, this.#leave.signal)
  }

  async leave(): Promise<void> {
    this.#leave.abort()
    await this.#kept
  }

  /** The next time that the process has another pid than this one. */
  async pidOf(name: string, other?: number): Promise<number> {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        this.#changed = resolve
      })
      const pid = this.reports.find((report) => report.name === name)?.pid
      if (pid !== undefined && pid !== other) return pid
      await changed
    }
  }
}

async function makeStage(t: ExecutionContext): Promise<Stage> {
  const stage = new Stage(await mkdtemp(join(tmpdir(), 'spell-supervisor-')))
  t.teardown(async () => {
    await stage.leave()
    for (const { name } of stage.reports)
      await endProcesses(processesWith(stage.plan(name).mark), systemClock)
    await rm(stage.folder, { recursive: true })
  })
  return stage
}

test('a process that dies is started again, and the count says so', async (t) => {
  const stage = await makeStage(t)
  stage.keep(stage.plan('one'))
  const first = await stage.pidOf('one')
  process.kill(first, 'SIGKILL')
  const second = await stage.pidOf('one', first)
  t.truthy(identityOf(second))
  t.is(stage.reports[0]?.restarts, 1)
})

test('processes go on without their supervisor, and the next one takes them over', async (t) => {
  const stage = await makeStage(t)
  stage.keep(stage.plan('one'), stage.plan('two'))
  const one = await stage.pidOf('one')
  const two = await stage.pidOf('two')
  await stage.leave()
  t.truthy(identityOf(one))
  process.kill(two, 'SIGKILL')
  stage.keep(stage.plan('one'), stage.plan('two'))
  await stage.pidOf('two', two)
  t.is(await stage.pidOf('one'), one)
})

test('a process of an older program or other settings is replaced', async (t) => {
  const stage = await makeStage(t)
  stage.keep(stage.plan('one'))
  const first = await stage.pidOf('one')
  await stage.leave()
  stage.keep(stage.plan('one', { fingerprint: 'second' }))
  await stage.pidOf('one', first)
  t.is(identityOf(first), undefined)
})

test('a process that nobody wrote down is found by its mark and replaced, not doubled', async (t) => {
  const stage = await makeStage(t)
  stage.keep(stage.plan('one'))
  const first = await stage.pidOf('one')
  await stage.leave()
  stage.reports = []
  stage.keep(stage.plan('one'))
  const second = await stage.pidOf('one')
  t.not(second, first)
  t.deepEqual(
    processesWith(stage.plan('one').mark).map((found) => found.pid),
    [second],
  )
})

test('a program that is not there does not end the supervision of the others', async (t) => {
  const stage = await makeStage(t)
  stage.keep(stage.plan('absent', { command: '/no/such/program' }), stage.plan('one'))
  t.truthy(identityOf(await stage.pidOf('one')))
})

test('what a process writes is in its log file', async (t) => {
  const stage = await makeStage(t)
  stage.keep(
    stage.plan('one', { args: ['-e', 'console.log("here I am")', '--', `--mark=${stage.folder}/one`] }),
  )
  await stage.pidOf('one', await stage.pidOf('one'))
  t.regex(await readFile(join(stage.folder, 'one.log'), 'utf8'), /^here I am\n/)
})
