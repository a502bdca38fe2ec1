import type { Demand } from './machine-types.js'
import { minus } from './node-parts.js'
import { forbids } from './placement-rules.js'
import { freeFor, Pool, type PoolNode, runKind } from './pool.js'
import type { Holding } from './records.js'
import { RunQueue } from './run-queue.js'
import { TypeLimits } from './type-limits.js'

/** One decision: this run, its next attempt, there. */
export interface Placed {
  readonly runId: number
  readonly attempt: number
  readonly demand: Demand
  readonly place: Omit<Holding, 'attempt'>
}

interface Waiting {
  readonly demand: Demand
  readonly queue: RunQueue
  /** When its head was last tried no node could take it: only a node that has gained since can. */
  blocked: boolean
}

/**
 * The queue and the pool, kept up to date by events, and the decisions that follow.
 *
 * Order: oldest first. A run that can't be placed holds up the younger ones of its own machine type, not those of other
 * types. Among the nodes that no rule forbids the best fit is taken, ties by id. A made type has no more runs at once than
 * its limit.
 *
 * Work is kept small by two facts: runs of one demand are interchangeable but for their age, so only the oldest of each is
 * looked at; and a demand that no node could take is tried again only on nodes that have gained something since. Neither
 * changes a decision: an index built anew from the same facts decides the same.
 */
export class Placement {
  readonly pool = new Pool()
  readonly limits = new TypeLimits()
  readonly #waiting = new Map<string, Waiting>()
  /** Demand and next attempt of each queued run. */
  readonly #runs = new Map<number, { readonly demand: Demand; readonly attempt: number }>()
  readonly #gained = new Set<string>()
  /** How many have asked that a run be given to nobody. */
  readonly #withheld = new Map<number, number>()

  get queued(): number {
    return this.#runs.size
  }

  /** Age order's first: the id of the oldest queued run. */
  get oldest(): number | undefined {
    let oldest: number | undefined
    for (const { queue } of this.#waiting.values())
      if (queue.oldest !== undefined && !(oldest !== undefined && oldest < queue.oldest))
        oldest = queue.oldest
    return oldest
  }

  enqueue(runId: number, attempt: number, demand: Demand): void {
    this.#runs.set(runId, { demand: this.#waiting.get(demand.key)?.demand ?? demand, attempt })
    if (!this.#withheld.has(runId)) this.#line(runId, demand)
  }

  dequeue(runId: number): void {
    const run = this.#runs.get(runId)
    if (!run) return
    this.#runs.delete(runId)
    this.#leaveLine(runId, run.demand)
  }

  /** The run is given to nobody, queued or not, before `admit` has been called as often. */
  withhold(runId: number): void {
    this.#withheld.set(runId, (this.#withheld.get(runId) ?? 0) + 1)
    const run = this.#runs.get(runId)
    if (run) this.#leaveLine(runId, run.demand)
  }

  admit(runId: number): void {
    const left = (this.#withheld.get(runId) ?? 0) - 1
    if (left > 0) {
      this.#withheld.set(runId, left)
      return
    }
    const run = this.#withheld.delete(runId) ? this.#runs.get(runId) : undefined
    if (run) this.#line(runId, run.demand)
  }

  isWithheld(runId: number): boolean {
    return this.#withheld.has(runId)
  }

  demand(runId: number): Demand | undefined {
    return this.#runs.get(runId)?.demand
  }

  /** Within its own machine type: 1 is next; 0: not queued. */
  position(runId: number): number {
    const run = this.#runs.get(runId)
    return run ? (this.#waiting.get(run.demand.key)?.queue.position(runId) ?? 0) : 0
  }

  /** A node's inventory, presence or free resources have grown or changed. */
  gained(nodeId: string): void {
    this.#gained.add(nodeId)
  }

  /** What CPU runs get may have changed everywhere. */
  changedShape(): void {
    for (const waiting of this.#waiting.values()) waiting.blocked = false
  }

  /** The attempt has this of its node. Safe to repeat. */
  hold(key: string, runId: number, holding: Holding, demand: Demand): void {
    this.pool.hold(key, runId, holding)
    this.limits.hold(demand.key, key, runId)
  }

  release(key: string, holding: Holding, demand: Demand): void {
    this.pool.release(key, holding)
    this.limits.release(demand.key, key)
    this.gained(holding.nodeId)
    // A device may have been moved to another machine meanwhile.
    for (const uuid of holding.gpuUuids) this.gained(this.pool.ownerOf(uuid) ?? holding.nodeId)
  }

  /** At most `limit` decisions, already held in the pool. More may follow when that many came. */
  plan(limit: number): readonly Placed[] {
    const placed: Placed[] = []
    const open = [...this.#waiting.values()].filter((waiting) => !waiting.blocked || this.#gained.size > 0)
    while (open.length > 0 && placed.length < limit) {
      const index = indexOfOldest(open)
      const waiting = open[index]
      const decision = waiting && this.#place(waiting)
      if (decision) placed.push(decision)
      if (!decision || waiting.queue.size === 0) open.splice(index, 1)
    }
    if (open.length === 0) this.#gained.clear()
    return placed
  }

  #line(runId: number, demand: Demand): void {
    const waiting = this.#waiting.get(demand.key)
    if (waiting) waiting.queue.add(runId)
    else this.#waiting.set(demand.key, { demand, queue: queueOf(runId), blocked: false })
  }

  #leaveLine(runId: number, demand: Demand): void {
    const waiting = this.#waiting.get(demand.key)
    waiting?.queue.delete(runId)
    if (waiting?.queue.size === 0) this.#waiting.delete(demand.key)
  }

  #place(waiting: Waiting): Placed | undefined {
    const runId = waiting.queue.oldest
    const run = runId === undefined ? undefined : this.#runs.get(runId)
    if (runId === undefined || run === undefined) return undefined
    if (this.limits.isReached(waiting.demand.key, runId)) {
      // It was not tried: what nodes gain meanwhile counts when the limit is no longer reached.
      waiting.blocked = false
      return undefined
    }
    const node = this.#bestNode(waiting)
    if (!node) {
      waiting.blocked = true
      return undefined
    }
    const place = this.#take(node, waiting.demand)
    const attempt = run.attempt
    this.dequeue(runId)
    this.hold(`${runId}.${attempt}`, runId, { attempt, ...place }, waiting.demand)
    return { runId, attempt, demand: waiting.demand, place }
  }

  #bestNode(waiting: Waiting): PoolNode | undefined {
    let best: PoolNode | undefined
    let bestScore: readonly number[] = []
    for (const node of waiting.blocked ? this.#gainedNodes() : this.pool.nodes.values()) {
      if (forbids(this.pool, node, waiting.demand)) continue
      const score = leftOver(this.pool, node, waiting.demand)
      const order = best ? compare(score, bestScore) : -1
      if (order < 0 || (order === 0 && best && node.id < best.id)) {
        best = node
        bestScore = score
      }
    }
    return best
  }

  *#gainedNodes(): Iterable<PoolNode> {
    for (const id of this.#gained) {
      const node = this.pool.nodes.get(id)
      if (node) yield node
    }
  }

  #take(node: PoolNode, demand: Demand): Omit<Holding, 'attempt'> {
    const share = this.pool.shareOn(node, demand)
    const sort = demand.gpuCount > 0 ? fullestSort(this.pool, node, demand) : []
    return {
      nodeId: node.id,
      gpuUuids: sort.slice(0, demand.gpuCount).map(({ uuid }) => uuid),
      cpus: share.milliCpus / 1000,
      memoryBytes: share.memoryBytes,
    }
  }
}

function queueOf(runId: number): RunQueue {
  const queue = new RunQueue()
  queue.add(runId)
  return queue
}

function indexOfOldest(open: readonly Waiting[]): number {
  let found = 0
  for (let index = 1; index < open.length; index += 1) {
    const [oldest, other] = [open[found]?.queue.oldest ?? 0, open[index]?.queue.oldest ?? 0]
    if (other < oldest) found = index
  }
  return found
}

/** Of the sorts that suffice the one with the fewest devices free, ties by name: large groups stay whole. */
function fullestSort(pool: Pool, node: PoolNode, demand: Demand) {
  const enough = [...pool.sorts(node, demand, 'free')].filter(
    ([, devices]) => devices.length >= demand.gpuCount,
  )
  enough.sort(([a, some], [b, others]) => some.length - others.length || (a < b ? -1 : 1))
  return enough[0]?.[1] ?? []
}

/** What the node would have left, the dearest first: the less the better. GPUs that a run without GPUs would sit on count most. */
function leftOver(pool: Pool, node: PoolNode, demand: Demand): readonly number[] {
  const left = minus(freeFor(node, runKind(demand)), pool.shareOn(node, demand))
  const gpus = demand.gpuCount > 0 ? fullestSort(pool, node, demand).length : node.devices.length
  return [gpus, left.milliCpus, left.memoryBytes]
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < a.length; index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
