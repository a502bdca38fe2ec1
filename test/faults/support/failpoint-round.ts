import { setMaxListeners } from 'node:events'
import { systemClock } from '../../../common/clock.js'
import { decode } from '../../../coordinator/core/record-codec.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import { method } from '../../../proto/wire.js'
import { checkRuns } from './check-runs.js'
import { type Job, makeJobs } from './jobs.js'
import { type Point, pointFor } from './points.js'
import { type FaultPool, makePool, type PoolBase } from './pool.js'
import type { Program } from './program.js'
import { Chance } from './rounds.js'
import { type Submission, submitUntilAnswered, untilAnswered } from './submitter.js'

export const jobCount = 50
const clientCount = 5
const roundTimeoutMs = 180_000

export interface FailpointRound {
  readonly point: Point
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  /** Whether the program came to its point and was killed there. */
  readonly reached: boolean
  /** The armed coordinator stopped leading before it came to its point: a busy machine, no fault. */
  readonly ledElsewhere: boolean
  readonly seconds: object
  readonly log: readonly string[]
}

/** Fifty runs from Submit to the archive, with one kill at a named place on the way. */
export async function failpointRound(base: PoolBase, seed: number, again: number): Promise<FailpointRound> {
  const chance = new Chance(seed)
  const point = pointFor(seed, chance)
  const pool = await makePool(base, `seed-${seed}-${again}`, {
    leaseTtlSeconds: 3,
    coordinator: {
      limits: {
        heartbeatIntervalMs: 300,
        archive: { segmentRuns: 10, segmentAfterMs: 300, recentRuns: 5 },
      },
    },
  })
  const round = new Round(pool, point, chance, seed)
  const done = (faults: readonly string[]) => ({
    ...{ point, faults, reached: round.reached, ledElsewhere: round.ledElsewhere, seconds: round.seconds },
    log: pool.programs().flatMap((program) => program.lastLines(30)),
  })
  try {
    return done(await round.run())
  } catch (error) {
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return done([`the round broke off: ${sentence}`])
  } finally {
    await pool.stop()
  }
}

const leads = 'This coordinator leads'
const leadsNoMore = 'This coordinator no longer leads'
const getMethod = method<object, Run__Output>('Runs', 'Get')

class Round {
  readonly #pool: FaultPool
  readonly #point: Point
  readonly #jobs: readonly Job[]
  readonly #submissions: readonly Submission[]
  readonly #broken = new AbortController()
  readonly #signal = this.#broken.signal
  /** Answered submissions after which something is done to the leader, where something has to be. */
  readonly #moment: number
  readonly #armed: Program
  readonly #runIds: number[] = []
  readonly #steering: Promise<void>[] = []
  readonly #startedAt = systemClock.monotonic()
  readonly seconds: Record<string, number> = {}
  #next = 0
  #answered = 0
  reached = false

  constructor(pool: FaultPool, point: Point, chance: Chance, seed: number) {
    const [first, second] = pool.coordinators
    this.#pool = pool
    this.#point = point
    this.#armed = point.program === 'node-agent' ? pool.agent : point.how === 'take-over' ? second : first
    this.#moment = chance.between(5, jobCount - 10)
    this.#jobs = makeJobs(chance, jobCount)
    this.#submissions = this.#jobs.map(({ command }, index) => ({
      requestId: `${seed}-${index}`,
      spec: { command, machine: { typeName: 'CPU' } },
    }))
    setMaxListeners(0, this.#signal)
  }

  get ledElsewhere(): boolean {
    return this.#point.program === 'coordinator' && !this.reached && this.#armed.hasSaid(leadsNoMore)
  }

  async run(): Promise<readonly string[]> {
    const late = systemClock.timer(roundTimeoutMs, () => this.#broken.abort(new Error('it takes too long')))
    try {
      return await this.#run()
    } finally {
      late.cancel()
      this.#broken.abort(new Error('the round is over'))
    }
  }

  async #run(): Promise<readonly string[]> {
    void this.#startPrograms()
    const channels = Array.from({ length: clientCount }, (_, index) => this.#pool.open(index))
    await Promise.all(channels.map((channel) => this.#client(channel)))
    this.#took('submitted')
    await Promise.all(this.#steering)
    await this.#allArchived()
    this.#took('archived')
    // Whatever it does after the last of its runs it does soon.
    await Promise.race([this.#armed.ended, systemClock.sleep(this.reached ? 0 : 2_000, this.#signal)])
    const faults = await checkRuns({
      ...{ pool: this.#pool, channel: this.#pool.open(1), signal: this.#signal },
      ...{ jobs: this.#jobs, submissions: this.#submissions, runIds: this.#runIds },
    })
    this.#took('checked')
    return faults
  }

  async #startPrograms(): Promise<void> {
    const [first, second] = this.#pool.coordinators
    for (const program of [first, this.#pool.agent]) this.#start(program)
    await first.says(leads)
    this.#start(second)
  }

  #start(program: Program): void {
    const { name, nth } = this.#point
    const armed = program === this.#armed
    program.start(armed ? { name, nth } : undefined)
    if (!armed) return
    void program.ended.then(() => {
      this.reached = program.end === 'SIGKILL'
      if (this.reached && !this.#signal.aborted) program.start()
      else if (!this.reached) this.#broken.abort(new Error(`${program.name} ended with ${program.end}`))
    })
  }

  async #client(channel: ReturnType<FaultPool['open']>): Promise<void> {
    for (let index = this.#next++; index < jobCount; index = this.#next++) {
      const [submission, job] = [this.#submissions[index], this.#jobs[index]]
      if (!submission || !job) return
      const { runId } = await submitUntilAnswered(channel, submission, this.#signal)
      this.#runIds[index] = runId
      if (job.steer) this.#steering.push(this.#steer(channel, runId, job.steer))
      this.#answered += 1
      if (this.#answered === this.#moment) this.#trouble()
    }
  }

  #trouble(): void {
    const [first] = this.#pool.coordinators
    const { how } = this.#point
    if (how === 'resign') void first.signal('SIGTERM')
    if (how === 'cut') void this.#pool.proxy.cutAnswerTo(this.#pool.keys.commit)
    if (how === 'take-over') void this.#letTakeOver(first)
  }

  /** The killed leader comes back only after the other has come to its point: it could win again. */
  async #letTakeOver(leader: Program): Promise<void> {
    await leader.signal('SIGKILL')
    await this.#armed.ended
    if (!this.#signal.aborted) leader.start()
  }

  async #steer(channel: ReturnType<FaultPool['open']>, runId: number, steer: 'Stop' | 'Kill'): Promise<void> {
    const deadline = { deadlineMs: 3_000, signal: this.#signal }
    for (;;) {
      const run = await untilAnswered(() => channel.call(getMethod, { runId }, deadline), this.#signal)
      if (run.state === 'RUNNING') break
      await systemClock.sleep(50, this.#signal)
    }
    const steerMethod = method('Runs', steer)
    await untilAnswered(() => channel.call(steerMethod, { runIds: [runId] }, deadline), this.#signal)
  }

  /** Finished runs leave etcd when nobody has anything more to say about them. */
  async #allArchived(): Promise<void> {
    const { client, keys } = this.#pool
    for (;;) {
      const { entries } = await client.transact({ compares: [], reads: [keys.counter] })
      const newest = entries[0] ? decode<{ newest: number }>(entries[0].value, keys.counter).newest : 0
      const { entries: runs } = await client.range({ prefix: keys.runs, limit: 1 })
      if (newest >= jobCount && runs.length === 0) return
      await systemClock.sleep(50, this.#signal)
    }
  }

  #took(what: string): void {
    this.seconds[what] = Math.round((systemClock.monotonic() - this.#startedAt) / 100) / 10
  }
}
