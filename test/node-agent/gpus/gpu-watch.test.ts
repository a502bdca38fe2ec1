import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { silentLog } from '../../../common/log.js'
import { GpuFinder } from '../../../node-agent/gpus/find-gpus.js'
import { GpuWatch, type GpuWatchSettings } from '../../../node-agent/gpus/gpu-watch.js'
import { KernelLog } from '../../../node-agent/gpus/kernel-log.js'
import { FakeClock } from '../../fakes/fake-clock.js'
import { SmiScripts } from '../fixtures/smi-scripts.js'

const scripts = new SmiScripts()
test.after.always(() => scripts.end())
const t4 = 'GPU-d37e67a5-91dd-3774-a5cb-99096249601a'
const nobody: ReadonlySet<string> = new Set()
let made = 0

/** A watch over an nvidia-smi that prints a file, which changes. */
class Bench {
  readonly clock = new FakeClock()
  readonly shown: string
  readonly kernelLog: string
  readonly owned = new Set<number>()
  readonly #program: string
  readonly #settings: GpuWatchSettings
  #watch: GpuWatch

  constructor(settings: Partial<GpuWatchSettings> = {}) {
    made += 1
    const folder = join(scripts.folder, String(made))
    this.shown = `${folder}-shown`
    this.kernelLog = `${folder}-kernel`
    this.#program = scripts.make(`if [ "$1" = -L ]; then exit 1; fi; . ${this.shown}`)
    const keptFile = `${folder}-gpus.json`
    this.#settings = { gpuReturnAfterMs: 300_000, keptFile, bootId: 'boot-1', ...settings }
    this.#watch = this.#make()
  }

  shows(script: string): void {
    writeFileSync(this.shown, script)
  }

  restartAgent(bootId = 'boot-1'): void {
    this.#watch = this.#make(bootId)
  }

  async look(held = nobody) {
    const { gpus, warnings, driverVersion } = await this.#watch.find(AbortSignal.timeout(60_000), held)
    return { why: gpus.map(({ unusableReason }) => unusableReason), gpus, warnings, driverVersion }
  }

  #make(bootId = this.#settings.bootId): GpuWatch {
    const finder = new GpuFinder({ nvidiaSmi: this.#program, nvidiaSmiTimeoutMs: 30_000 }, systemClock)
    const kernelLog = new KernelLog({ file: this.kernelLog, newestMs: 300_000 }, () => 1_000_000)
    return new GpuWatch(
      { ...this.#settings, bootId },
      {
        read: (signal) => finder.read(signal),
        kernelNews: () => kernelLog.news(),
        ownership: { owned: async (pids) => new Set(pids.filter((pid) => this.owned.has(pid))) },
        clock: this.clock,
        log: silentLog,
      },
    )
  }
}

const withoutProcesses = "sed '/<process_info>/,/<\\/process_info>/d' t4.xml"
const withProcess = (pid: number | undefined) => `sed 's/<pid>5762</<pid>${pid}</' t4.xml`

test('the driver is named, and a GPU that is gone stays as unusable over restarts of the agent', async (t) => {
  const bench = new Bench()
  bench.shows(withoutProcesses)
  const first = await bench.look()
  t.is(first.driverVersion, '515.105.01')
  t.deepEqual(first.why, [''])
  bench.shows('echo No devices were found; exit 6')
  t.regex((await bench.look()).why[0] ?? '', /fallen off the bus/)
  bench.restartAgent()
  const restarted = await bench.look()
  t.is(restarted.gpus[0]?.model, 'Tesla T4')
  t.regex(restarted.why[0] ?? '', /fallen off the bus/)
})

test('after a start of the machine one that is gone is a warning; until GPUs can be read it stays', async (t) => {
  const bench = new Bench()
  bench.shows(withoutProcesses)
  await bench.look()
  bench.restartAgent('boot-2')
  bench.shows('cat no-driver.txt; exit 9')
  t.regex((await bench.look()).why[0] ?? '', /failed \(9\)/)
  bench.restartAgent('boot-2')
  bench.shows('echo No devices were found; exit 6')
  t.deepEqual((await bench.look(new Set([t4]))).gpus.length, 1)
  bench.restartAgent('boot-3')
  const { gpus, warnings } = await bench.look()
  t.deepEqual(gpus, [])
  t.regex(warnings.join(), /GPU-d37e.* \(Tesla T4\) was there before the machine was started anew/)
  bench.restartAgent('boot-3')
  t.deepEqual((await bench.look()).gpus, [])
})

test('an agent that is started anew remembers what was wrong, and begins to count', async (t) => {
  const bench = new Bench()
  bench.shows("sed 's/<pending_retirement>No/<pending_retirement>Yes/' t4.xml")
  await bench.look()
  bench.shows(withoutProcesses)
  await bench.look()
  await bench.clock.advance(290_000)
  bench.restartAgent()
  t.regex((await bench.look()).why[0] ?? '', /pages wait to be retired.*returns after 5 min/)
  await bench.clock.advance(290_000)
  t.regex((await bench.look()).why[0] ?? '', /returns after 5 min/)
  await bench.clock.advance(10_000)
  t.is((await bench.look()).why[0], '')
})

test('what the kernel logs takes a GPU out, once', async (t) => {
  const bench = new Bench()
  bench.shows(withoutProcesses)
  const line = (seconds: number, text: string) => `4,1,${seconds}000000,-;NVRM: ${text}\n`
  const fatal = 'Xid (PCI:0000:00:1e): 79, pid=77, GPU has fallen off the bus.'
  writeFileSync(bench.kernelLog, line(100, fatal) + line(990, 'Xid (PCI:0000:00:1e): 31, pid=77, MMU Fault'))
  t.is((await bench.look()).why[0], '')
  writeFileSync(bench.kernelLog, `12,1,999000000,-;${fatal}\n${line(999, fatal)}`, { flag: 'a' })
  t.is((await bench.look()).why[0], 'The kernel has logged Xid 79 of it: it has fallen off the bus.')
  t.regex((await bench.look()).why[0] ?? '', /returns after 5 min/)
})

test('a process that is no run of ours is named, while it lasts', async (t) => {
  const bench = new Bench()
  const foreign = spawn('sh', ['-c', 'exec sleep 600'], { stdio: 'ignore' })
  try {
    bench.shows(withProcess(foreign.pid))
    const user = userInfo().username
    await execOf(foreign)
    const reason = `A process that is no run's is on it: pid ${foreign.pid} (${user}, sleep).`
    t.deepEqual((await bench.look()).why, [reason])
    bench.owned.add(foreign.pid ?? 0)
    t.deepEqual((await bench.look()).why, [''])
    bench.owned.clear()
    t.deepEqual((await bench.look()).why, [reason])
  } finally {
    foreign.kill('SIGKILL')
    await once(foreign, 'exit')
  }
  bench.shows(withoutProcesses)
  t.deepEqual((await bench.look()).why, [''])
})

test('a process that this machine does not show counts when it is still there at the next look', async (t) => {
  const bench = new Bench()
  bench.shows(withProcess(4_194_300))
  t.false(existsSync('/proc/4194300'))
  t.deepEqual((await bench.look()).why, [''])
  t.regex((await bench.look()).why[0] ?? '', /pid 4194300 \(of another container, \S+\)/)
  bench.shows(withoutProcesses)
  t.deepEqual((await bench.look()).why, [''])
})

test('only the GPUs that the node is to offer are offered', async (t) => {
  const one = 'GPU-47daa2ad-a218-6286-252b-af45f0dfaf00'
  const bench = new Bench({ gpuUuids: [one, 'GPU-none'] })
  bench.shows('cat eight-h100.txt')
  const { gpus, warnings } = await bench.look()
  t.deepEqual(
    gpus.map(({ uuid }) => uuid),
    [one],
  )
  t.deepEqual(warnings, ['The GPU GPU-none, which this node is to offer, is not there.'])
})

/** The shell has become the program. */
async function execOf(child: ChildProcess): Promise<void> {
  while (!readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').startsWith('sleep'))
    await new Promise((resolve) => setImmediate(resolve))
}
