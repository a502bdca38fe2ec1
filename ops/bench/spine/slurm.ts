import { randomUUID } from 'node:crypto'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import type { Channel } from '../../../proto/channel.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { StatusResponse__Output } from '../../../proto/gen/spell/v1/StatusResponse.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { method } from '../../../proto/wire.js'
import { channelFor, startBenchCluster } from '../bench-cluster.js'
import type { PartOptions } from '../part.js'
import { startSlurm } from '../slurm.js'
import { round } from '../statistics.js'

// 500 jobs of `true`, one GPU each, queued for 8 GPUs: the process runtime beside Slurm 22.05, one after the other. Both
// get the same: 8 jobs take the GPUs and wait for a gate; the 500 are submitted by four submitters, each with one
// submission under way, and queue; the gate opens. What counts is how fast the queue then runs dry, which has no
// submission in it: sbatch is a program started for each job, Submit a call, and neither shall flatter the other. The time
// that submitting took is printed beside it, and the rate with it included. Looking whether all is done is one cheap
// question, to Slurm every 500 ms (its clients cost it most), to Spell every 50 ms, since it takes a tenth of the time.

const target = 8
const submitters = 4
const gpus = 8
/** Besides the one that a Slurm of this machine's own would use. */
const slurmPort = 26817

const submit = method<object, SubmitResponse__Output>('Runs', 'Submit')
const list = method<object, ListRunsResponse__Output>('Runs', 'List')
const status = method<object, StatusResponse__Output>('Account', 'Status')

/** What takes jobs of one GPU each. */
interface Scheduler {
  submit(command: string): Promise<unknown>
  /** Jobs that hold a GPU, and all that are not over. */
  count(): Promise<{ readonly running: number; readonly left: number }>
  readonly lookEveryMs: number
}

interface Outcome {
  readonly jobs: number
  readonly submitSeconds: number
  readonly queueSeconds: number
  readonly jobsPerSecond: number
  readonly jobsPerSecondWithSubmission: number
}

export async function measureSlurm({ short, say }: PartOptions): Promise<Readonly<Record<string, unknown>>> {
  const jobs = short ? 100 : 500
  const folder = await mkdtemp(join(tmpdir(), 'spell-bench-slurm-'))
  const gate = join(folder, 'gate')
  try {
    await execa('mkfifo', ['-m', '666', gate])
    const missing = await whySlurmCannotRun()
    const slurm = missing ? undefined : await throughSlurm(folder, (one) => measure(one, gate, jobs))
    say(`Slurm: ${slurm ? describe(slurm) : missing}`)
    const spell = await throughSpell(folder, (scheduler) => measure(scheduler, gate, jobs))
    say(`Spell: ${describe(spell)}`)
    if (!slurm) return { spell, target }
    const ratio = round(spell.jobsPerSecond / slurm.jobsPerSecond)
    const ratioWithSubmission = round(spell.jobsPerSecondWithSubmission / slurm.jobsPerSecondWithSubmission)
    say(`Spell empties the queue ${ratio} times as fast (target: at least ${target}),`)
    say(`with submitting included ${ratioWithSubmission} times`)
    return { slurm, spell, ratio, ratioWithSubmission, target }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** undefined: it can. */
async function whySlurmCannotRun(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return 'left out, since starting one needs root'
  const { failed } = await execa('slurmctld', ['-V'], { reject: false })
  const packages = 'slurmctld slurmd slurm-client munge'
  return failed ? `left out; "apt-get install --no-install-recommends ${packages}" brings it` : undefined
}

function describe(outcome: Outcome): string {
  const { jobs, submitSeconds, queueSeconds, jobsPerSecond, jobsPerSecondWithSubmission } = outcome
  return `${jobs} queued jobs in ${queueSeconds} s, ${jobsPerSecond} a second; submitted in ${submitSeconds} s, with that ${jobsPerSecondWithSubmission} a second`
}

async function measure(scheduler: Scheduler, gate: string, jobs: number): Promise<Outcome> {
  const until = async (done: (count: { running: number; left: number }) => boolean) => {
    while (!done(await scheduler.count()))
      await new Promise((resolve) => setTimeout(resolve, scheduler.lookEveryMs))
  }
  for (let holder = 0; holder < gpus; holder += 1) await scheduler.submit(`cat ${gate}`)
  await until(({ running }) => running === gpus)
  const startedAt = performance.now()
  let begun = 0
  const submitter = async () => {
    for (; begun < jobs; begun += 1) await scheduler.submit('true')
  }
  await Promise.all(Array.from({ length: submitters }, submitter))
  const submitSeconds = (performance.now() - startedAt) / 1000
  await (await open(gate, 'w')).close()
  const openedAt = performance.now()
  await until(({ left }) => left === 0)
  const queueSeconds = (performance.now() - openedAt) / 1000
  return {
    jobs,
    submitSeconds: round(submitSeconds),
    queueSeconds: round(queueSeconds),
    jobsPerSecond: round(jobs / queueSeconds),
    jobsPerSecondWithSubmission: round(jobs / (submitSeconds + queueSeconds)),
  }
}

async function throughSlurm<Result>(
  folder: string,
  use: (scheduler: Scheduler) => Promise<Result>,
): Promise<Result> {
  const slurm = await startSlurm(join(folder, 'slurm'), slurmPort)
  const { env } = slurm
  const options = { env, cwd: folder }
  try {
    return await use({
      submit: (command) =>
        execa('sbatch', ['--gres=gpu:1', '--output=/dev/null', `--wrap=${command}`], options),
      async count() {
        const { stdout } = await execa('squeue', ['-h', '-o', '%t'], options)
        const states = stdout.split('\n').filter((line) => line !== '')
        return { running: states.filter((state) => state === 'R').length, left: states.length }
      },
      lookEveryMs: 500,
    })
  } finally {
    await slurm.stop()
  }
}

async function throughSpell<Result>(
  folder: string,
  use: (scheduler: Scheduler) => Promise<Result>,
): Promise<Result> {
  const script = join(folder, 'nvidia-smi')
  await writeFile(script, nvidiaSmi, { mode: 0o755 })
  const cluster = await startBenchCluster([
    ...['--runtime', 'process', '--nvidia-smi', script, '--cpus', '64', '--memory', '128G'],
  ])
  const channel = channelFor(cluster.access)
  try {
    const machine = { typeName: 'V100' }
    const result = await use({
      submit: (command) =>
        channel.call(submit, { requestId: randomUUID(), spec: { command, machine } }, { deadlineMs: 60_000 }),
      async count() {
        const { activeRuns, queuedForMachine, queuedForConcurrency } = await channel.call(status, {})
        return { running: activeRuns, left: activeRuns + queuedForMachine + queuedForConcurrency }
      },
      lookEveryMs: 50,
    })
    await allMustBeComplete(channel)
    return result
  } finally {
    channel.close()
    await cluster.down()
  }
}

async function allMustBeComplete(channel: Channel): Promise<void> {
  const { runs } = await channel.call(list, { pageSize: 1_000 })
  const other = runs.find(({ state }) => state !== 'COMPLETE')
  if (other) throw new Error(`Run ${other.id} ended as ${other.state}: ${other.reason}`)
}

/** What an nvidia-smi says on a machine of eight GPUs. */
const nvidiaSmi = `#!/bin/sh
case $1 in --query-gpu=* | -L) ;; *) exit 1 ;; esac
[ "$1" = -L ] || echo 'index, name, uuid, memory.total [MiB], mig.mode.current'
for gpu in 0 1 2 3 4 5 6 7; do
  uuid=GPU-00000000-0000-4000-8000-00000000000$gpu
  if [ "$1" = -L ]; then
    echo "GPU $gpu: Tesla V100-SXM2-16GB (UUID: $uuid)"
  else
    echo "$gpu, Tesla V100-SXM2-16GB, $uuid, 16384 MiB, [N/A]"
  fi
done
`
