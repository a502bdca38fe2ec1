import { setMaxListeners } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import { decode } from '../../../coordinator/core/record-codec.js'
import type { Channel } from '../../../proto/channel.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import { isFinal, stateFromWire } from '../../../proto/model/run-state.js'
import { method } from '../../../proto/wire.js'
import { type Submission, submitUntilAnswered, untilAnswered } from '../support/submitter.js'
import { audit } from './audit.js'
import { checkEnd } from './check-end.js'
import { type ScheduleCluster, startScheduleCluster } from './cluster.js'
import { Ledger, runOf } from './ledger.js'
import { type Planned, planOf, workCount } from './plan.js'
import { Recorder } from './recorder.js'
import { Scene } from './scene.js'
import { Turns } from './turns.js'
import { Watcher } from './watcher.js'
import { gateOf } from './work.js'

const clientCount = 5
/** So many are submitted before anything befalls anybody, the others meanwhile. */
const firstCount = 12
const watcherEvery = 6
/**
 * For everything to come to its end once nothing is broken any more, in milliseconds. Agents wait up to 30 s between two
 * tries to save.
 */
const settleMs = 120_000
const scheduleMs = 300_000

export interface ScheduleResult {
  readonly seed: number
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  /** Runs ran at all before anything befell them. */
  readonly begun: boolean
  /** What happened, for a line of print. */
  readonly story: string
  readonly figures: ScheduleFigures
  /** The programs' last sentences. */
  readonly log: readonly string[]
}

/** 0 where the schedule broke off before it was counted. */
export interface ScheduleFigures {
  readonly seconds: number
  readonly commits: number
  readonly terms: number
  /** Runs whose first attempt was not their last. */
  readonly repeated: number
  readonly interrupted: number
}

/** Fifty runs on three nodes under two coordinators, and what befalls them in the order that the seed gives. */
export async function runSchedule(seed: number): Promise<ScheduleResult> {
  const cluster = await startScheduleCluster()
  const recorder = new Recorder(cluster.etcd.endpoint, cluster.keys.prefix)
  const broken = new AbortController()
  setMaxListeners(0, broken.signal)
  const late = systemClock.timer(scheduleMs, () => broken.abort(new Error('it takes too long')))
  const schedule = new Schedule(seed, cluster, recorder, broken.signal)
  const result = (faults: readonly string[]) => ({
    ...{ seed, faults, begun: schedule.begun, story: schedule.story, figures: schedule.figures },
    log: faults.length > 0 ? cluster.lastLines(40) : [],
  })
  try {
    return result(await schedule.run())
  } catch (error) {
    const sentence = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return result([...schedule.seenFaults, `the schedule broke off: ${sentence}`])
  } finally {
    late.cancel()
    broken.abort(new Error('the schedule is over'))
    await schedule.heal().catch(() => undefined)
    await recorder.stop()
    await cluster.stop()
  }
}

const getMethod = method<object, Run__Output>('Runs', 'Get')

class Schedule {
  readonly #cluster: ScheduleCluster
  readonly #recorder: Recorder
  readonly #scene: Scene
  readonly #submissions: readonly Submission[]
  readonly #lanes: readonly (readonly Planned[])[]
  readonly #pauses: readonly number[]
  readonly #runIds: number[] = []
  readonly #watchers: Watcher[] = []
  readonly #steering: Promise<void>[] = []
  readonly #turns = new Turns()
  readonly #told: string[] = []
  readonly #startedAt = systemClock.monotonic()
  readonly #seconds: Record<string, number> = {}
  readonly #beginning: Promise<void>
  #begun = () => {}
  #next = 0
  #counts = { commits: 0, terms: 0, repeated: 0, interrupted: 0 }

  constructor(seed: number, cluster: ScheduleCluster, recorder: Recorder, signal: AbortSignal) {
    const ledger = new Ledger(join(cluster.folder, 'ledger'))
    const { works, pauses, lanes } = planOf(seed, ledger.file)
    this.#cluster = cluster
    this.#recorder = recorder
    this.#scene = new Scene({ cluster, recorder, ledger, works, signal })
    this.#submissions = works.map(({ index, spec }) => ({ requestId: `${seed}-${index}`, spec }))
    this.#beginning = new Promise((resolve) => {
      this.#begun = resolve
    })
    this.#pauses = pauses
    this.#lanes = lanes
  }

  get begun(): boolean {
    return this.#seconds.begun !== undefined
  }

  get story(): string {
    const times = Object.entries(this.#seconds).map(([what, seconds]) => `${what} ${seconds} s`)
    const { commits, terms, repeated, interrupted } = this.#counts
    const counts = `${repeated} repeated, ${interrupted} interrupted, ${terms} terms, ${commits} commits`
    return `${this.#told.join('; ')}. ${counts} (${times.join(', ')})`
  }

  get figures(): ScheduleFigures {
    return { seconds: seconds(this.#startedAt), ...this.#counts }
  }

  get seenFaults(): readonly string[] {
    const { coordinators, agents } = this.#cluster
    const { faults, ledger } = this.#scene
    return [
      ...ledger.read().faults,
      ...faults,
      ...[...coordinators, ...agents].flatMap((each) => each.faults),
    ]
  }

  heal(): Promise<void> {
    return this.#scene.heal()
  }

  async run(): Promise<readonly string[]> {
    const { coordinators, agents, keys } = this.#cluster
    for (const kept of [...coordinators, ...agents]) kept.start()
    const channels = Array.from({ length: clientCount }, (_, index) => this.#cluster.open(index))
    const clients = quietly(Promise.all(channels.map((channel) => this.#client(channel))))
    const until = systemClock.monotonic() + settleMs
    while (this.#scene.ledger.read().started.size < 5) {
      if (systemClock.monotonic() > until) throw new Error('nothing began to run')
      await this.#scene.sleep(50)
    }
    this.#took('begun')
    this.#begun()
    await Promise.all([clients, ...this.#lanes.map((lane) => this.#befall(lane))])
    this.#took('faults')
    writeFileSync(gateOf(this.#scene.ledger.file), '')
    await this.heal()
    await Promise.all(this.#steering)
    const stuck = await this.#untilArchived()
    this.#took('archived')
    const { revision } = await this.#cluster.client.range({ prefix: keys.prefix, limit: 1 })
    const { signal } = this.#scene
    if (stuck.length > 0) return [...this.seenFaults, ...this.#audit().faults, ...stuck]
    await Promise.all(this.#watchers.map(({ over }) => over))
    const checked = await checkEnd({
      ...{ scene: this.#scene, channel: this.#cluster.open(1), submissions: this.#submissions },
      ...{ runIds: this.#runIds, watchers: this.#watchers },
    })
    await this.#recorder.upTo(revision, signal)
    const audited = this.#audit()
    this.#took('checked')
    const { repeated, interrupted } = checked
    this.#counts = { repeated, interrupted, terms: audited.terms, commits: audited.commits }
    const ends = [...coordinators, ...agents].flatMap((each) => each.faults)
    return [...checked.faults, ...audited.faults, ...ends]
  }

  #audit() {
    return audit(this.#recorder.changes, this.#cluster.keys)
  }

  async #client(channel: Channel): Promise<void> {
    const { signal, works } = this.#scene
    for (let index = this.#next++; index < workCount; index = this.#next++) {
      const [submission, work] = [this.#submissions[index], works[index]]
      if (!submission || !work) return
      if (index >= firstCount) await this.#beginning
      const { runId } = await submitUntilAnswered(channel, submission, signal)
      this.#runIds[index] = runId
      if (work.steer) this.#steering.push(quietly(this.#steer(channel, runId, work.steer)))
      if (index % watcherEvery === 0) this.#watch(new Watcher(channel, runId, signal))
      await this.#scene.sleep(this.#pauses[index] ?? 0)
    }
  }

  #watch(watcher: Watcher): void {
    void quietly(watcher.over)
    this.#watchers.push(watcher)
  }

  /** Once everybody knows that it runs: a stop of what does not run yet is a kill. */
  async #steer(channel: Channel, runId: number, steer: 'Stop' | 'Kill'): Promise<void> {
    const { signal, ledger } = this.#scene
    const deadline = { deadlineMs: 3_000, signal }
    const isReady = () => [...ledger.read().ready].some((key) => runOf(key) === runId)
    for (;;) {
      const { state } = await untilAnswered(() => channel.call(getMethod, { runId }, deadline), signal)
      // Its machine may have lost power meanwhile.
      if (isFinal(stateFromWire(state))) return
      if (state === 'RUNNING' && isReady()) break
      await this.#scene.sleep(100)
    }
    const call = method('Runs', steer)
    await untilAnswered(() => channel.call(call, { runIds: [runId] }, deadline), signal)
  }

  async #befall(lane: readonly Planned[]): Promise<void> {
    for (const { name, fault, chance, afterMs, alone } of lane) {
      await this.#scene.sleep(afterMs)
      await this.#turns.take(alone, async () => {
        const beganAt = systemClock.monotonic()
        const told = await fault(this.#scene, chance)
        this.#told.push(`${name} (${seconds(beganAt)} s): ${told}`)
      })
    }
  }

  /** Sentences about those that have not left etcd in time. */
  async #untilArchived(): Promise<readonly string[]> {
    const { client, keys } = this.#cluster
    const until = systemClock.monotonic() + settleMs
    for (;;) {
      const { entries } = await client.transact({ compares: [], reads: [keys.counter] })
      const newest = entries[0] ? decode<{ newest: number }>(entries[0].value, keys.counter).newest : 0
      const { entries: left } = await client.range({ prefix: keys.runs, limit: 100 })
      if (newest >= workCount && left.length === 0) return []
      if (systemClock.monotonic() > until)
        return left.filter(({ key }) => key.endsWith('status')).map(({ value }) => `left in etcd: ${value}`)
      await this.#scene.sleep(50)
    }
  }

  #took(what: string): void {
    this.#seconds[what] = seconds(this.#startedAt)
  }
}

/** Where the schedule breaks off, others say why. */
function quietly<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined)
  return promise
}

const seconds = (since: number) => Math.round((systemClock.monotonic() - since) / 100) / 10
