import { fileURLToPath } from 'node:url'
import { type BenchCluster, clientProgram, cpuSeconds, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { round, summary } from '../statistics.js'
import type { RateAnswer, RateTask } from './rate-client.js'

// How many runs a second go all the way: one Submit each from 20 clients, 4 agents with the dummy runtime, every state
// recorded, a line of log shipped, and into the archive. Everything on this machine, in processes of its own, over TLS,
// with fsync. The rate counts runs that have been archived, from the first Submit to the last one's archiving.

const clientProcesses = 4
const clientsEach = 5
const agents = 4
const sampleEveryMs = 1000

interface Moment {
  readonly atMs: number
  readonly archived: number
  readonly etcdBytes: number
}

export async function measureRate({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const runs = short ? 4_000 : 200_000
  const cluster = await startBenchCluster([
    ...['--runtime', 'dummy', '--nodes', String(agents), '--cpus', '256', '--memory', '1024G'],
  ])
  try {
    return await measure(cluster, runs, say)
  } finally {
    await cluster.down()
  }
}

async function measure(
  cluster: BenchCluster,
  runs: number,
  say: (line: string) => void,
): Promise<Readonly<Record<string, unknown>>> {
  const processes = (await cluster.status()).processes.flatMap(({ name, pid }) =>
    pid ? [{ name, pid }] : [],
  )
  const cpuOf = () => new Map(processes.map(({ name, pid }) => [name, cpuSeconds(pid)]))
  const cpuBefore = cpuOf()
  const before = await cluster.metrics()
  const startedAt = performance.now()
  const submitting = Promise.all(
    Array.from({ length: clientProcesses }, () =>
      clientProgram<RateAnswer>(clientFile, {
        ...{ access: cluster.access, clients: clientsEach, runs: runs / clientProcesses },
        command: 'echo one line',
      } satisfies RateTask),
    ),
  )
  const moments = await watch(cluster, runs, { startedAt, say, submitting })
  const answers = await submitting
  const after = await cluster.metrics()
  const cpuAfter = cpuOf()
  const difference = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0)
  const figures = {
    runs,
    runsPerSecond: round(runs / ((moments.at(-1)?.atMs ?? 0) / 1000)),
    runsPerSecondByTenth: byTenth(moments, runs),
    etcdBytes: {
      first: moments[0]?.etcdBytes,
      highest: Math.max(...moments.map((one) => one.etcdBytes)),
      last: moments.at(-1)?.etcdBytes,
    },
    submitMs: summary(answers.flatMap((answer) => answer.submitMs)),
    perRun: {
      transactions: round(difference('spell_commits_total') / runs),
      operations: round(difference('spell_commit_operations_total') / runs),
    },
    cpuMillisecondsPerRun: Object.fromEntries(
      processes.map(({ name }) => [
        name,
        round((1000 * ((cpuAfter.get(name) ?? 0) - (cpuBefore.get(name) ?? 0))) / runs),
      ]),
    ),
  }
  say(JSON.stringify(figures, undefined, 2))
  return figures
}

const clientFile = fileURLToPath(new URL('./rate-client.js', import.meta.url))

async function watch(
  cluster: BenchCluster,
  runs: number,
  options: { startedAt: number; say: (line: string) => void; submitting: Promise<unknown> },
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
    moments.push({ atMs, archived, etcdBytes })
    if (moments.length % 10 === 0)
      options.say(`${round(atMs / 1000)} s: ${archived} archived, etcd ${Math.round(etcdBytes / 1e6)} MB`)
    if (archived >= runs) return moments
    await new Promise((resolve) => setTimeout(resolve, sampleEveryMs))
  }
}

/** The rate over each tenth of the runs; flat means that nothing grows. */
function byTenth(moments: readonly Moment[], runs: number): readonly number[] {
  const timeOf = (share: number) => moments.find((one) => one.archived >= share * runs)?.atMs ?? 0
  return Array.from({ length: 10 }, (_, tenth) => {
    const spentMs = timeOf((tenth + 1) / 10) - (tenth === 0 ? 0 : timeOf(tenth / 10))
    return round(runs / 10 / (spentMs / 1000))
  })
}
