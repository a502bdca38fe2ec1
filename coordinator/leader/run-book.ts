import type { Clock } from '../../common/clock.js'
import { attemptKey } from '../../proto/model/attempt.js'
import { isFinal, type RunState } from '../../proto/model/run-state.js'
import type { Demand } from '../core/machine-types.js'
import { Placement } from '../core/placement.js'
import type { RunOrigin, RunRecord } from '../core/records.js'
import { advance, type When } from '../core/run-changes.js'
import { Concurrency } from './concurrency.js'

/** A run in memory: everything that has not left etcd. */
export interface RunEntry {
  readonly origin: RunOrigin
  readonly record: RunRecord
  readonly demand: Demand
  /** When the present state was entered, by this leader's monotonic clock; undefined: before its term. */
  readonly enteredMonotonicMs: number | undefined
  /** Its agent has said, in this term, that it has let go of it for good. */
  forgotten: boolean
  /** It is being written to a segment: what changes about it from now on is an edit. */
  leaving: boolean
}

/**
 * All runs that are in etcd, and every index over them: queue, pool, users' limits, nodes' runs, counts. `set` is the only
 * way to change a run, so that no index is ever left behind. What was changed waits in `takeChanged` to be committed.
 */
export class RunBook {
  readonly placement = new Placement()
  readonly concurrency = new Concurrency()
  readonly countByState = new Map<RunState, number>()
  readonly #clock: Clock
  readonly #limitOf: (user: string) => number
  readonly #entries = new Map<number, RunEntry>()
  readonly #byNode = new Map<string, Set<number>>()
  readonly #active = new Set<number>()
  readonly #countByProject = new Map<string, number>()
  #changed = new Set<RunEntry>()

  constructor(clock: Clock, limitOf: (user: string) => number) {
    this.#clock = clock
    this.#limitOf = limitOf
  }

  get size(): number {
    return this.#entries.size
  }

  get(id: number): RunEntry | undefined {
    return this.#entries.get(id)
  }

  entries(): Iterable<RunEntry> {
    return this.#entries.values()
  }

  /** Ids of runs that have not ended. */
  active(): Iterable<number> {
    return this.#active
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** Runs whose newest attempt is or was on that node, or that hold something of it. */
  onNode(nodeId: string): readonly RunEntry[] {
    return [...(this.#byNode.get(nodeId) ?? [])].flatMap((id) => this.#entries.get(id) ?? [])
  }

  inProject(name: string): number {
    return this.#countByProject.get(name) ?? 0
  }

  /** A run that was read from etcd: nothing about it is to be committed. */
  load(origin: RunOrigin, record: RunRecord, demand: Demand): RunEntry {
    const entry = this.#insert(origin, record, demand, undefined)
    this.#index(entry, undefined, record)
    return entry
  }

  add(origin: RunOrigin, record: RunRecord, demand: Demand): RunEntry {
    const entry = this.#insert(origin, record, demand, this.#clock.monotonic())
    this.#changed.add(entry)
    this.#index(entry, undefined, record)
    return entry
  }

  set(entry: RunEntry, record: RunRecord): void {
    const before = entry.record
    if (record === before) return
    const changing = entry as { record: RunRecord; enteredMonotonicMs: number | undefined }
    changing.record = record
    if (before.state !== record.state) changing.enteredMonotonicMs = this.#clock.monotonic()
    this.#changed.add(entry)
    this.#index(entry, before, record)
  }

  /** Takes a run out of memory: it is in the archive now. */
  remove(entry: RunEntry): void {
    const { record } = entry
    this.#entries.delete(record.id)
    this.#changed.delete(entry)
    this.#count(record, -1)
    if (record.nodeId !== undefined) this.#byNode.get(record.nodeId)?.delete(record.id)
  }

  /** Date and duration of a change that happens to this run now. */
  now(entry: RunEntry): When {
    const { enteredMonotonicMs } = entry
    const lastedMs = enteredMonotonicMs === undefined ? 0 : this.#clock.monotonic() - enteredMonotonicMs
    return { atMs: this.#clock.now(), lastedMs }
  }

  get hasChanged(): boolean {
    return this.#changed.size > 0
  }

  /** Every run changed since the last call. */
  takeChanged(): ReadonlySet<RunEntry> {
    const changed = this.#changed
    if (changed.size > 0) this.#changed = new Set()
    return changed
  }

  /** Lets as many of the user's waiting runs into the queue as the limit allows. */
  fillSlots(user: string): void {
    const limit = this.#limitOf(user) || Number.POSITIVE_INFINITY
    while (this.concurrency.count(user) < limit) {
      const entry = this.#entries.get(this.concurrency.oldest(user) ?? 0)
      const moved = entry && advance(entry.record, 'slot_free', this.now(entry))
      if (!entry || !moved) return
      this.set(entry, moved)
    }
  }

  #insert(
    origin: RunOrigin,
    record: RunRecord,
    demand: Demand,
    enteredMonotonicMs: number | undefined,
  ): RunEntry {
    const entry: RunEntry = { origin, record, demand, enteredMonotonicMs, forgotten: false, leaving: false }
    this.#entries.set(record.id, entry)
    return entry
  }

  #index(entry: RunEntry, before: RunRecord | undefined, after: RunRecord): void {
    if (before?.state !== after.state || before.project !== after.project) {
      if (before) this.#count(before, -1)
      this.#count(after, 1)
      if (isFinal(after.state)) this.#active.delete(after.id)
      else this.#active.add(after.id)
    }
    const [wasQueued, isQueued] = [before !== undefined && queued(before), queued(after)]
    if (isQueued && !wasQueued) this.placement.enqueue(after.id, after.attempt + 1, entry.demand)
    if (wasQueued && !isQueued) this.placement.dequeue(after.id)
    if (before?.holdings !== after.holdings) this.#holdings(entry, before, after)
    if (after.nodeId !== undefined && before?.nodeId !== after.nodeId) this.#onNode(after.nodeId, after.id)
    if (this.concurrency.changed(entry.origin.creator, before, after)) this.fillSlots(entry.origin.creator)
  }

  #holdings({ demand }: RunEntry, before: RunRecord | undefined, after: RunRecord): void {
    for (const holding of before?.holdings ?? []) {
      if (after.holdings.includes(holding)) continue
      this.placement.release(attemptKey({ runId: after.id, attempt: holding.attempt }), holding, demand)
      if (holding.nodeId !== after.nodeId) this.#byNode.get(holding.nodeId)?.delete(after.id)
    }
    for (const holding of after.holdings) {
      if (before?.holdings.includes(holding)) continue
      this.placement.hold(
        attemptKey({ runId: after.id, attempt: holding.attempt }),
        after.id,
        holding,
        demand,
      )
      this.#onNode(holding.nodeId, after.id)
    }
  }

  #onNode(nodeId: string, runId: number): void {
    const runs = this.#byNode.get(nodeId)
    if (runs) runs.add(runId)
    else this.#byNode.set(nodeId, new Set([runId]))
  }

  #count(record: RunRecord, by: number): void {
    this.countByState.set(record.state, (this.countByState.get(record.state) ?? 0) + by)
    if (record.project === undefined) return
    this.#countByProject.set(record.project, this.inProject(record.project) + by)
  }
}

function queued(record: RunRecord): boolean {
  return record.state === 'machine_requested' && record.nodeId === undefined
}
