import { comparable, type Demand } from '../core/machine-types.js'
import { repeatsByDefault } from '../core/made-types.js'
import { forbids } from '../core/placement-rules.js'
import { freeFor, type Pool, type PoolNode, runKind } from '../core/pool.js'
import type { MachineTypeView, StatusView, User } from '../core/records.js'
import type { Memory } from './memory.js'
import type { Term } from './term.js'

/** CPU, and each model that a node has with its multiples up to what one node has of it. */
export function machineTypeViews({ memory }: Term): readonly MachineTypeView[] {
  const { pool, limits } = memory.runs.placement
  return knownDemands(memory).map((demand) => {
    const view = typeView(pool, demand)
    const made = memory.machineTypes.get(comparable(demand.typeName))
    if (!made) return view
    const inUse = limits.holders(demand.key).length
    const { limit, labels, spot, storageBytes } = made
    return {
      ...view,
      gpuModel: made.gpuModel,
      freeCount: limit === 0 ? view.freeCount : Math.max(0, Math.min(view.freeCount, limit - inUse)),
      ...{ made: true, limit, inUse, labels, spot, storageBytes },
      defaultAutoResume: repeatsByDefault(made),
    }
  })
}

/** One for each machine type that the pool shows. */
export function knownDemands(memory: Memory): readonly Demand[] {
  const made = [...memory.machineTypes.values()].map(({ name }) => name).sort()
  const derived = typeNames(memory.runs.placement.pool).filter(
    (name) => !memory.machineTypes.has(comparable(name)),
  )
  const names = ['CPU', ...derived, ...made]
  return names.flatMap((name) => memory.knownDemand({ kind: 'type', name }) ?? [])
}

function typeNames(pool: Pool): readonly string[] {
  const most = new Map<string, number>()
  for (const node of pool.nodes.values()) {
    const counts = new Map<string, number>()
    for (const { type, childUuids } of node.devices)
      if (childUuids.length === 0) counts.set(type, (counts.get(type) ?? 0) + 1)
    for (const [type, count] of counts) most.set(type, Math.max(most.get(type) ?? 0, count))
  }
  return [...most].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([type, count]) => multiples(type, count))
}

function multiples(type: string, most: number): readonly string[] {
  const names = [type]
  for (let count = 2; count <= most; count *= 2) names.push(`${type}x${count}`)
  return names
}

function typeView(pool: Pool, demand: Demand): MachineTypeView {
  const nodes = [...pool.nodes.values()]
  const could = nodes.filter((node) => forbids(pool, node, demand)?.kind !== 'never')
  const shares = could.map((node) => pool.shareOn(node, demand))
  return {
    name: demand.typeName,
    gpuCount: demand.gpuCount,
    gpuModel: demand.gpuCount > 0 ? demand.typeName.replace(/x\d+$/, '') : '',
    cpus:
      smallest(
        shares.map(({ milliCpus }) => milliCpus),
        demand.milliCpus,
      ) / 1000,
    memoryBytes: smallest(
      shares.map(({ memoryBytes }) => memoryBytes),
      demand.memoryBytes,
    ),
    nodeCount: could.length,
    freeCount: nodes.reduce((total, node) => total + freeOn(pool, node, demand), 0),
    ...{ made: false, limit: 0, inUse: 0, labels: [], spot: false, defaultAutoResume: false },
    storageBytes: 0,
  }
}

/** Where no node gives it: what is asked for, if that is said. */
function smallest(values: readonly number[], asked: number | undefined): number {
  return values.length === 0 ? (asked ?? 0) : Math.min(...values)
}

function freeOn(pool: Pool, node: PoolNode, demand: Demand): number {
  if (forbids(pool, node, demand)) return 0
  const { milliCpus, memoryBytes } = pool.shareOn(node, demand)
  const free = freeFor(node, runKind(demand))
  const counts = [Math.floor(free.milliCpus / Math.max(1, milliCpus))]
  counts.push(Math.floor(free.memoryBytes / Math.max(1, memoryBytes)))
  if (demand.gpuCount > 0) {
    const sorts = [...pool.sorts(node, demand, 'free').values()]
    counts.push(sorts.reduce((total, devices) => total + Math.floor(devices.length / demand.gpuCount), 0))
  }
  return Math.min(...counts)
}

export function statusView(term: Term, user: User): StatusView {
  const { memory, parts } = term
  const { runs } = memory
  const size = parts.etcdSize()
  const waiting = runs.countByState.get('user_requested') ?? 0
  return {
    totalRuns: memory.counter,
    queuedForConcurrency: runs.concurrency.waiting(user.name),
    concurrencyLimit: user.maxConcurrentRuns,
    queuedForMachine: runs.placement.queued,
    activeRuns: runs.activeCount - waiting - runs.placement.queued,
    etcdBytes: size.bytes,
    etcdQuotaBytes: size.quotaBytes,
  }
}
