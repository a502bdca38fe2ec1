import { setMaxListeners } from 'node:events'
import { systemClock } from '../../../common/clock.js'
import type { Channel } from '../../../proto/channel.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'
import { checkHistory } from '../history.js'
import { checkSubmissions } from './check-submissions.js'
import { type FaultPool, makePool, type PoolBase } from './pool.js'
import { Chance } from './rounds.js'
import { type Answered, type Submission, submitUntilAnswered } from './submitter.js'
import { planTroubles, type Trouble } from './troubles.js'

export const submissionCount = 1_000
const clientCount = 20
const roundTimeoutMs = 300_000

export interface SubmissionRound {
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  readonly figures: object
  /** What the programs said last. */
  readonly log: readonly string[]
}

export async function submissionRound(base: PoolBase, seed: number): Promise<SubmissionRound> {
  const name = `round-${seed}`
  const pool = await makePool(base, name, { leaseTtlSeconds: 2 })
  const signal = AbortSignal.timeout(roundTimeoutMs)
  setMaxListeners(0, signal)
  const startedAt = performance.now()
  try {
    const round = new Round(pool, seed, signal)
    const answers = await round.run()
    const submittedMs = performance.now() - startedAt
    const channel = pool.open()
    const faults = [
      ...(await checkSubmissions({ ...pool, channel, signal, submissions: round.submissions, answers })),
      ...(await checkHistory(base.client, pool.keys.prefix)).faults,
    ]
    const tries = answers.reduce((sum, answer) => sum + answer.tries, 0)
    const wholeMs = performance.now() - startedAt
    const times = { submitting: round1(submittedMs), whole: round1(wholeMs) }
    return { faults, figures: { seed, ...round.counts(), tries, seconds: times }, log: logOf(pool) }
  } catch (error) {
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { faults: [`the round broke off: ${sentence}`], figures: { seed }, log: logOf(pool) }
  } finally {
    await pool.stop()
  }
}

const round1 = (ms: number) => Math.round(ms / 100) / 10
const logOf = (pool: FaultPool) => pool.coordinators.flatMap((program) => program.lastLines(30))

/** Twenty clients and what happens to the coordinators meanwhile. */
class Round {
  readonly submissions: readonly Submission[]
  readonly #pool: FaultPool
  readonly #signal: AbortSignal
  readonly #troubles: Trouble[]
  readonly #going: Promise<void>[] = []
  readonly #counts = { cutAnswers: 0, lateRequests: 0, pauses: 0 }
  readonly #answers: Answered[] = []
  /** Milliseconds without any answer, where that was long: how long a take-over takes for those who wait. */
  readonly #silences: number[] = []
  #next = 0
  #answered = 0
  #answeredAt = systemClock.monotonic()
  /** Kills and pauses follow one another; each begins when the programs of the one before run again. */
  #order: Promise<void> = Promise.resolve()

  constructor(pool: FaultPool, seed: number, signal: AbortSignal) {
    const chance = new Chance(seed)
    this.#pool = pool
    this.#signal = signal
    this.#troubles = planTroubles(chance, submissionCount)
    this.submissions = Array.from({ length: submissionCount }, (_, index) => ({
      requestId: `${seed}-${index}-${Math.floor(chance.next() * 2 ** 32).toString(16)}`,
      spec: { command: `echo submission ${index} of ${seed}`, description: `${index}` },
    }))
  }

  /** The answers in the order of the submissions. */
  async run(): Promise<readonly Answered[]> {
    for (const program of this.#pool.coordinators) program.start()
    const channels = Array.from({ length: clientCount }, (_, index) => this.#pool.open(index))
    await Promise.all(channels.map((channel) => this.#client(channel)))
    await Promise.all(this.#going)
    await this.#order
    return this.#answers
  }

  counts() {
    const kills = this.#pool.coordinators.reduce((sum, { kills }) => sum + kills, 0)
    return { kills, ...this.#counts, silencesMs: this.#silences }
  }

  async #client(channel: Channel): Promise<void> {
    for (let index = this.#next++; index < submissionCount; index = this.#next++) {
      const submission = this.submissions[index]
      if (!submission) return
      this.#answers[index] = await submitUntilAnswered(channel, submission, this.#signal)
      this.#answered += 1
      const now = systemClock.monotonic()
      if (now - this.#answeredAt > 300) this.#silences.push(Math.round(now - this.#answeredAt))
      this.#answeredAt = now
      this.#makeTrouble()
    }
  }

  #makeTrouble(): void {
    while (this.#troubles[0] && this.#troubles[0].at <= this.#answered) {
      const trouble = this.#troubles.shift()
      if (trouble) this.#begin(trouble)
    }
  }

  #begin(trouble: Trouble): void {
    const { proxy, keys } = this.#pool
    switch (trouble.kind) {
      case 'cut-answer':
        void proxy.cutAnswerTo(keys.commit).then(() => {
          this.#counts.cutAnswers += 1
        })
        break
      case 'late-request':
        void proxy.deliverLate(keys.commit, trouble.waitMs).then(() => {
          this.#counts.lateRequests += 1
        })
        break
      case 'cut-all':
        proxy.cutAll()
        break
      default:
        this.#order = this.#order.then(() => this.#interrupt(trouble))
        this.#going.push(this.#order)
    }
  }

  async #interrupt({ kind, waitMs }: Trouble): Promise<void> {
    const { coordinators, proxy, keys } = this.#pool
    if (kind === 'kill-after-commit') {
      // Etcd has it and nobody was told: not even the leader, which is gone before it could find out.
      await Promise.race([proxy.cutAnswerTo(keys.commit), systemClock.sleep(1_000, this.#signal)])
      this.#counts.cutAnswers += 1
    }
    if (kind === 'kill-both') return await this.#kill(coordinators, waitMs)
    const leader = (await this.#pool.leader()) ?? coordinators[0]
    if (kind === 'pause-leader') return await this.#pause(leader)
    const other = coordinators.find((one) => one !== leader) ?? leader
    await this.#kill([kind === 'kill-other' ? other : leader], waitMs)
  }

  async #kill(
    programs: FaultPool['programs'] extends () => infer All ? All : never,
    waitMs: number,
  ): Promise<void> {
    await systemClock.sleep(waitMs, this.#signal)
    await Promise.all(programs.map((program) => program.signal('SIGKILL')))
    for (const program of programs) program.start()
  }

  /** It wakes when another leads, believing that it still does. */
  async #pause(leader: FaultPool['agent']): Promise<void> {
    if (!leader.isRunning) return
    this.#counts.pauses += 1
    await pauseProcess(leader.pid)
    const until = systemClock.monotonic() + 5_000
    while (systemClock.monotonic() < until) {
      const now = await this.#pool.leader()
      if (now && now !== leader) break
      await systemClock.sleep(20, this.#signal)
    }
    resumeProcess(leader.pid)
  }
}
