import type { Demand } from './machine-types.js'
import { outOfUse } from './out-of-use.js'
import type { DeviceSet, Pool, PoolNode } from './pool.js'

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
  isLargeEnough,
  isNotCordoned,
  isPresent,
  hasDevicesFree,
  hasCpusFree,
  hasMemoryFree,
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

function isLargeEnough(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  const share = pool.shareOn(node, demand)
  if (node.milliCpus > 0 && share.milliCpus <= node.milliCpus && share.memoryBytes <= node.memoryBytes)
    return undefined
  return { kind: 'never', reason: 'is too small' }
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
  if (pool.shareOn(node, demand).milliCpus <= node.freeMilliCpus) return undefined
  return { kind: 'busy', reason: 'has too few cores free' }
}

function hasMemoryFree(pool: Pool, node: PoolNode, demand: Demand): Forbidden | undefined {
  if (pool.shareOn(node, demand).memoryBytes <= node.freeMemoryBytes) return undefined
  return { kind: 'busy', reason: 'has too little memory free' }
}

function mostOfOneSort(pool: Pool, node: PoolNode, demand: Demand, which: DeviceSet): number {
  let most = 0
  for (const devices of pool.sorts(node, demand, which).values()) most = Math.max(most, devices.length)
  return most
}
