import type { Demand } from './machine-types.js'
import { outOfUse } from './out-of-use.js'
import { type DeviceSet, freeFor, type Pool, type PoolNode, runKind } from './pool.js'

/** Why a node can't take a run. `never`: not with what it has; `cordoned`, `absent`: not while that lasts; `busy`: not now. */
export interface Forbidden {
  readonly kind: 'never' | 'cordoned' | 'absent' | 'busy'
  /** The end of a sentence that begins with the node's name. */
  readonly reason: string
}

type Rule = (pool: Pool, node: PoolNode, demand: Demand) => Forbidden | undefined

/** In this order: a node is judged by the first that forbids. */
const rules: readonly Rule[] = [
  hasModel,
  hasEnoughDevices,
  hasLabels,
  isLargeEnough,
  isNotCordoned,
  isPresent,
  hasDevicesFree,
  hasCpusFree,
  hasMemoryFree,
  hasDiskFree,
]

export function forbids(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  for (const rule of rules) {
    const forbidden = rule(pool, node, demand)
    if (forbidden) return forbidden
  }
  return undefined
}

function hasModel(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (demand.gpuCount === 0 || pool.sorts(node, demand, 'own').size > 0) return undefined
  return { kind: 'never', reason: 'has no such GPU' }
}

function hasEnoughDevices(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (demand.gpuCount <= 1) return undefined
  const most = mostOfOneSort(pool, node, demand, 'own')
  return most < demand.gpuCount ? { kind: 'never', reason: `has only ${most} such GPUs` } : undefined
}

function hasLabels(_pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  const missing = demand.labels.find((label) => !node.labels.has(label))
  return missing === undefined ? undefined : { kind: 'never', reason: `lacks the label ${missing}` }
}

function isLargeEnough(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  const share = pool.shareOn(node, demand)
  const part = node.parts[runKind(demand)]
  if (part.milliCpus > 0 && share.milliCpus <= part.milliCpus && share.memoryBytes <= part.memoryBytes)
    return undefined
  const whole =
    node.milliCpus > 0 && share.milliCpus <= node.milliCpus && share.memoryBytes <= node.memoryBytes
  if (!whole || node.devices.length === 0) return { kind: 'never', reason: 'is too small' }
  const size = `${part.milliCpus / 1000} cores and ${Math.floor(part.memoryBytes / 1e9)} GB`
  const kind = demand.gpuCount > 0 ? 'with GPUs' : 'without GPUs'
  return { kind: 'never', reason: `has only ${size} for runs ${kind}` }
}

function isNotCordoned(_pool: Pool, node: PoolNode): Forbidden | undefined {
  return node.cordoned === '' ? undefined : { kind: 'cordoned', reason: node.cordoned }
}

function isPresent(_pool: Pool, node: PoolNode): Forbidden | undefined {
  return node.absent === '' ? undefined : { kind: 'absent', reason: node.absent }
}

function hasDevicesFree(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (demand.gpuCount === 0) return undefined
  const most = mostOfOneSort(pool, node, demand, 'free')
  if (most >= demand.gpuCount) return undefined
  const reason = most === 0 ? 'has no such GPU free' : `has only ${most} of them free`
  return { kind: 'busy', reason: reason + outOfUse(pool, node, demand) }
}

function hasCpusFree(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (pool.shareOn(node, demand).milliCpus <= freeFor(node, runKind(demand)).milliCpus) return undefined
  return { kind: 'busy', reason: `has too few cores free${ofWhich(node, demand)}` }
}

function hasMemoryFree(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (pool.shareOn(node, demand).memoryBytes <= freeFor(node, runKind(demand)).memoryBytes) return undefined
  return { kind: 'busy', reason: `has too little memory free${ofWhich(node, demand)}` }
}

function hasDiskFree(_pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (demand.diskBytes <= node.diskFreeBytes) return undefined
  return { kind: 'busy', reason: `has only ${Math.floor(node.diskFreeBytes / 1e9)} GB of disk free` }
}

/** On a node with GPUs what one kind of run leaves is not for the other. */
function ofWhich(node: PoolNode, demand: Demand): string {
  if (node.devices.length === 0) return ''
  return demand.gpuCount > 0 ? ' for runs with GPUs' : ' for runs without GPUs'
}

function mostOfOneSort(pool: Pool, node: PoolNode, demand: Demand, which: DeviceSet): number {
  let most = 0
  for (const devices of pool.sorts(node, demand, which).values()) most = Math.max(most, devices.length)
  return most
}
