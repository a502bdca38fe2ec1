import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import { decodeStatus } from '../../../coordinator/core/record-codec.js'
import { parseRunKey } from '../../../coordinator/store/keys.js'
import { loadPrefix } from '../../../coordinator/store/load.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'
import type { ScheduleCluster } from './cluster.js'
import type { Kept } from './kept.js'
import { attemptOf, type Ledger, runOf } from './ledger.js'
import type { Machine } from './machine.js'
import type { Recorder } from './recorder.js'
import { keptOf, type StoredOfAttempt } from './stored.js'
import { gateOf, type Work } from './work.js'

/** What a fault finds, does it to, and notes for the checks at the end. */
export class Scene {
  readonly cluster: ScheduleCluster
  readonly recorder: Recorder
  readonly ledger: Ledger
  readonly works: readonly Work[]
  readonly signal: AbortSignal
  /** Broken promises that were seen on the way, each a sentence. */
  readonly faults: string[] = []
  /** Names of machines that lost all that ran on them. */
  readonly rebooted = new Set<string>()
  /** Attempts whose command ran when their machine lost power. */
  readonly powerless = new Set<string>()
  /** What the store had of attempts that counted no more when their machine was let back. */
  readonly stale = new Map<string, StoredOfAttempt>()
  #etcdPaused = false

  constructor(parts: Pick<Scene, 'cluster' | 'recorder' | 'ledger' | 'works' | 'signal'>) {
    this.cluster = parts.cluster
    this.recorder = parts.recorder
    this.ledger = parts.ledger
    this.works = parts.works
    this.signal = parts.signal
  }

  sleep(ms: number): Promise<void> {
    return systemClock.sleep(ms, this.signal)
  }

  /** What comes in time, or undefined. */
  async within<Result>(ms: number, promise: Promise<Result>): Promise<Result | undefined> {
    let late = () => {}
    const over = new Promise<undefined>((resolve) => {
      late = () => resolve(undefined)
    })
    const timer = systemClock.timer(ms, late)
    try {
      return await Promise.race([promise, over])
    } finally {
      timer.cancel()
    }
  }

  /** The leader, or somebody where there is none within a second. */
  async leader(): Promise<Kept> {
    for (let look = 0; look < 20; look += 1) {
      const leader = await this.cluster.leader()
      if (leader) return leader
      await this.sleep(50)
    }
    return this.cluster.coordinators[0]
  }

  other(than: Kept): Kept {
    const [first, second] = this.cluster.coordinators
    return than === first ? second : first
  }

  async untilNobodyLeads(withinMs: number): Promise<void> {
    const until = systemClock.monotonic() + withinMs
    while ((await this.cluster.leader()) && systemClock.monotonic() < until) await this.sleep(50)
  }

  /** Says whether somebody else leads in time. */
  async untilLedElsewhere(than: Kept, withinMs: number): Promise<boolean> {
    const until = systemClock.monotonic() + withinMs
    while (systemClock.monotonic() < until) {
      const leader = await this.cluster.leader()
      if (leader && leader !== than) return true
      await this.sleep(30)
    }
    return false
  }

  /** Attempts on this machine that a later one may replace: their commands run now. */
  replaceableOn(machine: Machine): readonly string[] {
    return this.#runningOn(machine, ({ replaceable }) => replaceable)
  }

  /** Those among them that come to their end when they are let. */
  lastingOn(machine: Machine): readonly string[] {
    return this.#runningOn(machine, ({ lasts }) => lasts)
  }

  /** Lets an attempt that lasts come to its end, and resolves when it has done all and has not ended yet. */
  async letEnd(key: string, withinMs: number): Promise<boolean> {
    const until = systemClock.monotonic() + withinMs
    writeFileSync(gateOf(this.ledger.file, key), '')
    while (systemClock.monotonic() < until) {
      if (this.ledger.read().ended.has(key)) return true
      await this.sleep(15)
    }
    return false
  }

  /** The machine with the most of those, waiting a little for one that has any. */
  async busiest(): Promise<{ readonly machine: Machine; readonly kept: Kept }> {
    const { machines, agents } = this.cluster
    for (let look = 0; ; look += 1) {
      const counts = machines.map((machine) => this.replaceableOn(machine).length)
      const index = counts.indexOf(Math.max(...counts))
      const [machine, kept] = [machines[index], agents[index]]
      if (machine && kept && ((counts[index] ?? 0) > 0 || look === 30)) return { machine, kept }
      await this.sleep(100)
    }
  }

  /** None of these may run any more: their machine knows by itself that the leader has given them up. */
  async mustHaveEnded(machine: Machine, keys: readonly string[], withinMs: number): Promise<void> {
    const until = systemClock.monotonic() + withinMs
    const left = () => keys.filter((key) => machine.processes().has(key))
    while (left().length > 0 && systemClock.monotonic() < until) await this.sleep(50)
    for (const key of left())
      this.faults.push(`attempt ${key} still ran on ${machine.name} after it was given up`)
  }

  /** Before the machine of these is let back: what the store has of those that have been replaced. */
  async noteStale(keys: readonly string[]): Promise<void> {
    const records = await this.#records()
    for (const key of keys) {
      const record = records.get(runOf(key))
      if (record && record.attempt > attemptOf(key))
        this.stale.set(key, await keptOf(this.cluster.storeDir, runOf(key), attemptOf(key)))
    }
  }

  /** The highest report that etcd says has been applied of each attempt that counts on this machine. */
  async appliedOn(machine: Machine): Promise<ReadonlyMap<string, number>> {
    const records = [...(await this.#records()).values()]
    const here = records.filter(({ nodeId }) => nodeId === machine.name)
    return new Map(here.map(({ id, attempt, appliedReport }) => [`${id}.${attempt}`, appliedReport]))
  }

  /** The name of the node of which the leader is the next to have taken in a report. */
  async nextReport(): Promise<string | undefined> {
    const { keys } = this.cluster
    const known = new Map<number, number>()
    let name: string | undefined
    await this.recorder.next(({ key, value }) => {
      const run = parseRunKey(keys, key)
      if (run?.part !== 'status' || value === undefined) return false
      const { attempt, appliedReport, nodeId } = decodeStatus(value, key)
      const [before, now] = [known.get(run.runId), attempt * 1_000 + appliedReport]
      known.set(run.runId, now)
      name = nodeId
      return appliedReport > 0 && now > (before ?? 0)
    }, this.signal)
    return name
  }

  /** Of whoever has it there and not in the agent's own way: `away` while it is gone. */
  moveStore(where: 'away' | 'back'): void {
    const { folder, storeDir } = this.cluster
    const away = join(folder, 'store.away')
    const [from, to] = where === 'away' ? [storeDir, away] : [away, storeDir]
    if (existsSync(from) && !existsSync(to)) renameSync(from, to)
  }

  async pauseEtcd(): Promise<void> {
    this.#etcdPaused = true
    await pauseProcess(this.cluster.etcd.pid())
  }

  resumeEtcd(): void {
    if (this.#etcdPaused) resumeProcess(this.cluster.etcd.pid())
    this.#etcdPaused = false
  }

  /** Whatever was cut, paused or taken away is there again. */
  async heal(): Promise<void> {
    const { links, coordinators, agents } = this.cluster
    this.moveStore('back')
    this.resumeEtcd()
    links.healAll()
    for (const kept of [...coordinators, ...agents]) await kept.resume()
  }

  #runningOn(machine: Machine, fits: (work: Work) => boolean): readonly string[] {
    const { started, ended } = this.ledger.read()
    return [...machine.processes().keys()].filter((key) => {
      const work = this.works[started.get(key) ?? -1]
      return work && fits(work) && !ended.has(key)
    })
  }

  async #records() {
    const { client, keys } = this.cluster
    const records = new Map<number, ReturnType<typeof decodeStatus>>()
    // Etcd may be away for a moment.
    for (let tries = 0; ; tries += 1)
      try {
        await loadPrefix(client, keys.runs, ({ key, value }) => {
          const run = parseRunKey(keys, key)
          if (run?.part === 'status') records.set(run.runId, decodeStatus(value, key))
        })
        return records
      } catch (error) {
        if (tries === 30) throw error
        await this.sleep(100)
      }
  }
}
