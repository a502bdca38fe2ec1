import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BenchCluster, clientProgram, cpuSeconds, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { round, summary } from '../statistics.js'
import type { RateAnswer, RateTask } from './rate-client.js'
import { RateEtcd } from './rate-etcd.js'

// How many runs a second go all the way: one Submit each from 20 clients, 4 agents with the dummy runtime, every state
// recorded, a line of log shipped, and into the archive. Everything on this machine, in processes of its own, over TLS,
// with fsync. The rate counts runs that have been archived, from the first Submit to the last one's archiving. The first
// fifth, in which Node still compiles, is told apart from the rest.

const clientProcesses = 4
const clientsEach = 5
const agents = 4
const sampleEveryMs = 1000
const warmShare = 0.2

type Numbers = ReadonlyMap<string, number>

interface Moment {
  readonly atMs: number
  readonly archived: number
  readonly etcdBytes: number
  /** CPU used so far, in milliseconds, by process. */
  readonly cpuMs: Numbers
}

interface Running {
  readonly name: string
  readonly pid: number
}

export async function measureRate({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const runs = short ? 4_000 : 200_000
  const cluster = await startBenchCluster([
    ...['--runtime', 'dummy', '--nodes', String(agents), '--cpus', '256', '--memory', '1024G'],
  ])
  try {
    const figures = await measure(cluster, runs, say)
    // Agents tell at their end how often they have synced.
    await cluster.end()
    const whole = withAgentSyncs(figures, agentSyncs(cluster.dir), runs)
    say(JSON.stringify(whole, undefined, 2))
    return whole
  } finally {
    await cluster.down()
  }
}

async function measure(cluster: BenchCluster, runs: number, say: (line: string) => void) {
  const { processes: all } = await cluster.status()
  const processes = all.flatMap(({ name, pid }) => (pid ? [{ name, pid }] : []))
  const etcd = new RateEtcd(cluster.dir)
  const [before, etcdBefore] = [await cluster.metrics(), await etcd.metrics()]
  const memoryBefore = memoryOf(processes)
  const startedAt = performance.now()
  const submitting = Promise.all(
    Array.from({ length: clientProcesses }, () =>
      clientProgram<RateAnswer>(clientFile, {
        ...{ access: cluster.access, clients: clientsEach, runs: runs / clientProcesses },
        command: 'echo one line',
      } satisfies RateTask),
    ),
  )
  const moments = await watch(cluster, runs, { startedAt, say, submitting, processes })
  const answers = await submitting
  const [after, etcdAfter] = [await cluster.metrics(), await etcd.metrics()]
  const leader = perRun(before, after, runs)
  const ofEtcd = perRun(etcdBefore, etcdAfter, runs)
  return {
    runs,
    runsPerSecond: round(runs / ((moments.at(-1)?.atMs ?? 0) / 1000)),
    steady: steady(moments, runs),
    runsPerSecondByTenth: byTenth(moments, runs),
    submitMs: summary(answers.flatMap((answer) => answer.submitMs)),
    etcdBytes: await sizes(moments, etcd),
    perRun: {
      transactions: leader('spell_commits_total'),
      operations: leader('spell_commit_operations_total'),
      puts: ofEtcd('etcd_mvcc_put_total'),
      deletes: ofEtcd('etcd_mvcc_delete_total'),
      fsyncs: {
        etcdLog: ofEtcd('etcd_disk_wal_fsync_duration_seconds_count'),
        etcdDatabase: ofEtcd('etcd_disk_backend_commit_duration_seconds_count'),
        leaderLogs: leader('spell_log_syncs_total'),
      },
      cpuMs: cpuPerRun(moments, runs),
      clientsCpuMs: round(answers.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / runs),
    },
    memoryMegabytes: { before: memoryBefore, after: memoryOf(processes) },
  }
}

type Figures = Awaited<ReturnType<typeof measure>>

const clientFile = fileURLToPath(new URL('./rate-client.js', import.meta.url))

async function watch(
  cluster: BenchCluster,
  runs: number,
  options: {
    startedAt: number
    say: (line: string) => void
    submitting: Promise<unknown>
    processes: readonly Running[]
  },
): Promise<readonly Moment[]> {
  const moments: Moment[] = []
  let failed: unknown
  options.submitting.catch((error: unknown) => {
    failed = error
  })
  for (;;) {
    if (failed) throw failed
    const metrics = await cluster.metrics()
    const archived = metrics.get('spell_archived_runs') ?? 0
    const etcdBytes = metrics.get('spell_etcd_bytes') ?? 0
    const atMs = performance.now() - options.startedAt
    const cpuMs = new Map(options.processes.map(({ name, pid }) => [name, 1000 * cpuSeconds(pid)]))
    moments.push({ atMs, archived, etcdBytes, cpuMs })
    if (moments.length % 10 === 0)
      options.say(`${round(atMs / 1000)} s: ${archived} archived, etcd ${Math.round(etcdBytes / 1e6)} MB`)
    if (archived >= runs) return moments
    await new Promise((resolve) => setTimeout(resolve, sampleEveryMs))
  }
}

function perRun(before: Numbers, after: Numbers, runs: number): (name: string) => number {
  return (name) => round(((after.get(name) ?? 0) - (before.get(name) ?? 0)) / runs)
}

/** After the warm-up: the rate, and CPU by process and run. */
function steady(moments: readonly Moment[], runs: number) {
  const warm = moments.find(({ archived }) => archived >= warmShare * runs)
  const last = moments.at(-1)
  if (!warm || !last || last.archived === warm.archived) return undefined
  const done = last.archived - warm.archived
  return {
    runsPerSecond: round(done / ((last.atMs - warm.atMs) / 1000)),
    cpuMsPerRun: cpuBetween(warm, last, done),
  }
}

function cpuPerRun(moments: readonly Moment[], runs: number): Readonly<Record<string, number>> {
  const [first, last] = [moments[0], moments.at(-1)]
  return first && last ? cpuBetween(first, last, runs) : {}
}

function cpuBetween(first: Moment, last: Moment, runs: number): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...last.cpuMs].map(([name, cpuMs]) => [name, round((cpuMs - (first.cpuMs.get(name) ?? 0)) / runs)]),
  )
}

/** In use in etcd's database, and what of it the request ids are: those stay for a day, whatever becomes of their runs. */
async function sizes(moments: readonly Moment[], etcd: RateEtcd) {
  const { count, bytes } = await etcd.requestIds()
  return {
    first: moments[0]?.etcdBytes,
    highest: Math.max(...moments.map((one) => one.etcdBytes)),
    last: moments.at(-1)?.etcdBytes,
    requestIds: { count, bytes },
  }
}

/** The rate over each tenth of the runs; flat means that nothing grows. */
function byTenth(moments: readonly Moment[], runs: number): readonly number[] {
  const timeOf = (share: number) => moments.find((one) => one.archived >= share * runs)?.atMs ?? 0
  return Array.from({ length: 10 }, (_, tenth) => {
    const spentMs = timeOf((tenth + 1) / 10) - (tenth === 0 ? 0 : timeOf(tenth / 10))
    return round(runs / 10 / (Math.max(spentMs, sampleEveryMs) / 1000))
  })
}

/** Resident, by process, and how many files it has open. */
function memoryOf(processes: readonly Running[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    processes.map(({ name, pid }) => {
      const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
      return [name, `${Math.round(kilobytes / 1000)} MB, ${readdirSync(`/proc/${pid}/fd`).length} files`]
    }),
  )
}

function agentSyncs(dir: string): number {
  const logs = join(dir, 'logs')
  const files = readdirSync(logs).filter((name) => name.startsWith('node-'))
  return files.reduce((sum, name) => {
    const found = /"syncs":(\d+)/.exec(readFileSync(join(logs, name), 'utf8'))
    return sum + Number(found?.[1] ?? Number.NaN)
  }, 0)
}

function withAgentSyncs(figures: Figures, syncs: number, runs: number) {
  const { perRun, ...rest } = figures
  const fsyncs = { ...perRun.fsyncs, agentsJournals: round(syncs / runs) }
  return { ...rest, perRun: { ...perRun, fsyncs } }
}
