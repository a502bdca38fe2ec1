import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import type { Channel } from '../../../proto/channel.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import { method } from '../../../proto/wire.js'
import type { Ended } from '../../fixtures/cluster.js'
import { type Submission, submitUntilAnswered, untilAnswered } from '../support/submitter.js'
import type { FailoverCluster } from './cluster.js'

const getMethod = method<object, Run__Output>('Runs', 'Get')

/** Of the runs; this machine stands for several and has few cores. */
const machineType = '--name small --cpus 0.1 --memory 100M'

/** Runs that print numbered lines until they are told to end, and people who read them. */
export class Load {
  readonly #cluster: FailoverCluster
  readonly #channel: Channel
  readonly #signal: AbortSignal
  readonly #stopFile: string
  readonly #answers: { readonly submission: Submission; readonly runId: number }[] = []
  readonly #followers: { readonly runId: number; readonly read: Promise<Ended> }[] = []
  /** Broken promises that were seen on the way, each a sentence. */
  readonly #seen: string[] = []
  readonly #writers: number[] = []

  constructor(cluster: FailoverCluster, signal: AbortSignal) {
    this.#cluster = cluster
    this.#channel = cluster.open(0)
    this.#signal = signal
    this.#stopFile = join(cluster.folder, 'all-may-end')
  }

  /** Ten runs and a follower for each second of them. Resolves when all print. */
  async begin(): Promise<void> {
    const { code, stderr } = await this.#cluster.spell(`cluster machine-type add ${machineType}`)
    if (code !== 0) throw new Error(stderr)
    const command = `i=0; while [ ! -e ${this.#stopFile} ]; do i=$((i+1)); echo "line $i"; sleep 0.1; done; echo "all $i" | tee result; exit 3`
    for (let index = 0; index < 10; index += 1) this.#writers.push(await this.submit(command))
    for (const runId of this.#writers.filter((_, index) => index % 2 === 0))
      this.#followers.push({ runId, read: this.#cluster.spell(`logs -f --raw ${runId}`) })
    for (const runId of this.#writers) await this.#until(runId, ({ state }) => state === 'RUNNING')
  }

  /** Resolves with the run's id when the cluster has answered, however long that takes. */
  async submit(command: string, channel = this.#channel): Promise<number> {
    const submission = {
      requestId: `failover-${this.#answers.length}-${process.pid}`,
      spec: { command, machine: { typeName: 'small' } },
    }
    const { runId } = await submitUntilAnswered(channel, submission, this.#signal)
    this.#answers.push({ submission, runId })
    return runId
  }

  /** Right after what befell the cluster: all run on, as their first attempts, and no id is missing. */
  async look(after: string): Promise<void> {
    const wrong: string[] = [...this.#checkIds()]
    for (const runId of this.#writers) {
      const { state, attempt, reason } = await this.#until(runId, () => true)
      if (state !== 'RUNNING' || attempt !== 1)
        wrong.push(`run ${runId} is ${state} by attempt ${attempt}: ${reason}`)
    }
    this.#seen.push(...wrong.map((sentence) => `after ${after}: ${sentence}`))
  }

  /** All may end now. Broken promises, each a sentence. */
  async end(): Promise<readonly string[]> {
    writeFileSync(this.#stopFile, '')
    const faults: string[] = [...this.#seen]
    for (const runId of this.#writers) {
      const run = await this.#until(runId, isOver)
      if (run.state !== 'COMPLETE' || run.exitCode !== 3 || run.attempt !== 1)
        faults.push(`run ${runId} is ${run.state} (${run.exitCode}) by attempt ${run.attempt}: ${run.reason}`)
      // Its last bytes may come after its end: who follows waits for them.
      const kept = await this.#cluster.spell(`logs -f --raw ${runId}`)
      faults.push(...countLines(kept.stdout).map((trouble) => `the log of run ${runId}: ${trouble}`))
      if ((await this.#result(runId)) !== kept.stdout.slice(kept.stdout.lastIndexOf('all ')))
        faults.push(`the output of run ${runId} is not what it printed last`)
      const follower = this.#followers.find((each) => each.runId === runId)
      const read = await follower?.read
      if (read && hash(read.stdout) !== hash(kept.stdout))
        faults.push(`who followed run ${runId} read ${read.stdout.length} bytes, not ${kept.stdout.length}`)
    }
    return [...faults, ...(await this.#askAgain()), ...this.#checkIds()]
  }

  /** What it has left; empty where there is nothing. */
  async #result(runId: number): Promise<string> {
    const place = join(this.#cluster.folder, `of-${runId}`)
    await this.#cluster.spell(`cp runs/${runId} ${place}`)
    const file = join(place, 'result')
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  async #askAgain(): Promise<readonly string[]> {
    const faults: string[] = []
    for (const { submission, runId } of this.#answers) {
      const again = await submitUntilAnswered(this.#channel, submission, this.#signal)
      if (again.runId !== runId || !again.repeated)
        faults.push(`request ${submission.requestId} was answered ${runId}, later ${again.runId}`)
    }
    return faults
  }

  #checkIds(): readonly string[] {
    const ids = this.#answers.map(({ runId }) => runId).sort((a, b) => a - b)
    return ids.every((id, index) => id === (ids[0] ?? 0) + index) ? [] : [`the ids are ${ids.join(' ')}`]
  }

  async #until(runId: number, is: (run: Run__Output) => boolean): Promise<Run__Output> {
    const deadline = { deadlineMs: 3_000, signal: this.#signal }
    for (;;) {
      const run = await untilAnswered(() => this.#channel.call(getMethod, { runId }, deadline), this.#signal)
      if (is(run)) return run
      await systemClock.sleep(200, this.#signal)
    }
  }
}

const isOver = ({ state }: Run__Output) =>
  ['COMPLETE', 'FAILED', 'KILLED', 'STOPPED', 'INTERRUPTED', 'BUILD_FAILED', 'MOUNT_FAILED'].includes(state)

const hash = (text: string) => createHash('sha256').update(text).digest('hex')

/** Every line from the first on, once and in order, and at the end their number. */
function countLines(text: string): readonly string[] {
  const lines = text.split('\n')
  const wrong = lines.slice(0, -2).findIndex((line, index) => line !== `line ${index + 1}`)
  if (wrong >= 0) return [`line ${wrong + 1} is ${JSON.stringify(lines[wrong])}`]
  return lines.at(-2) === `all ${lines.length - 2}` ? [] : [`it ends with ${JSON.stringify(lines.at(-2))}`]
}
