import type { Inventory } from '../../proto/model/link.js'
import { gpuTypeName } from './gpu-models.js'
import { cpuType, type Demand, takesGpu } from './machine-types.js'
import type { Holding } from './records.js'

/** A GPU or a MIG slice as placement sees it. */
export interface Device {
  readonly uuid: string
  readonly type: string
  readonly memoryBytes: number
  readonly parentUuid: string
  readonly childUuids: readonly string[]
  /** Empty: may be promised. */
  readonly unusable: string
}

export type DeviceSet = 'free' | 'usable' | 'own'

export interface PoolNode {
  readonly id: string
  name: string
  runtime: string
  /** Whole, in thousandths of a core. */
  milliCpus: number
  memoryBytes: number
  freeMilliCpus: number
  freeMemoryBytes: number
  devices: readonly Device[]
  /** Empty: may get runs. Else why not, as a sentence without its subject: `is not connected`. */
  absent: string
  /** Empty: not cordoned. Else who did it and why, as a sentence without its subject: `is cordoned by ann (disk swap)`. */
  cordoned: string
  /** What attempts hold here, by attempt key. */
  readonly holdings: Map<string, PoolHolding>
}

interface PoolHolding extends Omit<Holding, 'attempt' | 'nodeId'> {
  readonly runId: number
}

/** What of a node a run would get. */
export interface Share {
  readonly milliCpus: number
  readonly memoryBytes: number
}

/**
 * Nodes, their devices, and who holds what. Nothing here frees a device but `release`, which the leader calls only when
 * the device's agent has said that nothing holds it.
 */
export class Pool {
  readonly nodes = new Map<string, PoolNode>()
  /** Which attempt holds a device, wherever in the pool it may be. */
  readonly #held = new Map<string, { readonly runId: number; readonly key: string }>()
  /** The node that a device belongs to: the first that brought it. */
  readonly #owners = new Map<string, string>()
  #cpuShare: Share = cpuType

  /** Adds a node or takes in its changed inventory. New nodes are absent until `setAbsent(id, '')`. */
  setNode(id: string, name: string, inventory: Inventory): void {
    const node = this.nodes.get(id) ?? emptyNode(id)
    this.nodes.set(id, node)
    node.name = name
    node.runtime = inventory.runtime
    node.milliCpus = Math.floor(inventory.cpus * 1000)
    node.memoryBytes = inventory.memoryBytes
    this.#disown(node, new Set(inventory.gpus.map(({ uuid }) => uuid)))
    node.devices = this.#devicesOf(id, inventory)
    node.freeMilliCpus = node.milliCpus
    node.freeMemoryBytes = node.memoryBytes
    for (const holding of node.holdings.values()) take(node, holding)
    this.#cpuShare = smallestShare(this.nodes.values())
  }

  /** Its devices belong to whoever else has them. Nothing may hold anything of it any more. */
  removeNode(id: string): void {
    const node = this.nodes.get(id)
    if (!node) return
    this.#disown(node, new Set())
    this.nodes.delete(id)
    this.#cpuShare = smallestShare(this.nodes.values())
  }

  setAbsent(id: string, reason: string): void {
    const node = this.nodes.get(id)
    if (node) node.absent = reason
  }

  setCordoned(id: string, reason: string): void {
    const node = this.nodes.get(id)
    if (node) node.cordoned = reason
  }

  hold(key: string, runId: number, holding: Holding): void {
    for (const uuid of holding.gpuUuids) this.#held.set(uuid, { runId, key })
    const node = this.nodes.get(holding.nodeId) ?? emptyNode(holding.nodeId)
    this.nodes.set(node.id, node)
    const before = node.holdings.get(key)
    if (before) give(node, before)
    node.holdings.set(key, { ...holding, runId })
    take(node, holding)
  }

  release(key: string, holding: Holding): void {
    for (const uuid of holding.gpuUuids) if (this.#held.get(uuid)?.key === key) this.#held.delete(uuid)
    const node = this.nodes.get(holding.nodeId)
    const held = node?.holdings.get(key)
    if (!node || !held) return
    node.holdings.delete(key)
    give(node, held)
  }

  holder(uuid: string): number | undefined {
    return this.#held.get(uuid)?.runId
  }

  /** The node that may promise this device. */
  ownerOf(uuid: string): string | undefined {
    return this.#owners.get(uuid)
  }

  /** A device is free when neither it, nor what it is a slice of, nor a slice of it is held. */
  isFree(device: Device): boolean {
    return (
      !this.#held.has(device.uuid) &&
      !(device.parentUuid !== '' && this.#held.has(device.parentUuid)) &&
      !device.childUuids.some((uuid) => this.#held.has(uuid))
    )
  }

  /** What a run of this demand gets on this node. */
  shareOn(node: PoolNode, demand: Demand): Share {
    const byType = demand.gpuCount > 0 ? gpuShare(node, demand.gpuCount) : this.#cpuShare
    return {
      milliCpus: demand.milliCpus ?? byType.milliCpus,
      memoryBytes: demand.memoryBytes ?? byType.memoryBytes,
    }
  }

  /**
   * Devices that the demand would take, by sort, each list in order of UUID: those that are free, those that may be
   * promised, or `own`, which has those too that are out of use for the time being.
   */
  sorts(node: PoolNode, demand: Demand, which: DeviceSet): ReadonlyMap<string, readonly Device[]> {
    const sorts = new Map<string, Device[]>()
    for (const device of node.devices) {
      if (!takesGpu(demand, device)) continue
      if (device.unusable !== '' && !(which === 'own' && this.#isOwn(node, device))) continue
      if (which === 'free' && !this.isFree(device)) continue
      const sort = sorts.get(device.type)
      if (sort) sort.push(device)
      else sorts.set(device.type, [device])
    }
    return sorts
  }

  /** Whatever else is wrong with it, it is this node's and not divided. */
  #isOwn(node: PoolNode, device: Device): boolean {
    return device.childUuids.length === 0 && this.ownerOf(device.uuid) === node.id
  }

  #devicesOf(nodeId: string, inventory: Inventory): readonly Device[] {
    const models = new Map(inventory.gpus.map((gpu) => [gpu.uuid, gpu.model]))
    const devices = inventory.gpus.map((gpu): Device => {
      const owner = this.#owners.get(gpu.uuid) ?? nodeId
      this.#owners.set(gpu.uuid, owner)
      const childUuids = inventory.gpus
        .filter((other) => other.parentUuid === gpu.uuid)
        .map(({ uuid }) => uuid)
      return {
        uuid: gpu.uuid,
        type: gpuTypeName(gpu.model, models.get(gpu.parentUuid)),
        memoryBytes: gpu.memoryBytes,
        parentUuid: gpu.parentUuid,
        childUuids,
        unusable:
          owner !== nodeId
            ? `it belongs to node ${this.nodes.get(owner)?.name ?? owner}`
            : childUuids.length > 0
              ? 'it is divided into MIG devices'
              : gpu.unusableReason,
      }
    })
    return devices.sort((a, b) => (a.uuid < b.uuid ? -1 : 1))
  }

  /** Devices that a node no longer has may belong to another that says it has them. */
  #disown(node: PoolNode, kept: ReadonlySet<string>): void {
    for (const { uuid } of node.devices) {
      if (kept.has(uuid) || this.#owners.get(uuid) !== node.id) continue
      this.#owners.delete(uuid)
      for (const other of this.nodes.values()) {
        if (other === node || !other.devices.some((device) => device.uuid === uuid)) continue
        this.#owners.set(uuid, other.id)
        other.devices = other.devices.map((device) =>
          device.uuid === uuid ? { ...device, unusable: '' } : device,
        )
        break
      }
    }
  }
}

function take(node: PoolNode, holding: Pick<PoolHolding, 'cpus' | 'memoryBytes'>): void {
  node.freeMilliCpus -= Math.round(holding.cpus * 1000)
  node.freeMemoryBytes -= holding.memoryBytes
}

function give(node: PoolNode, holding: Pick<PoolHolding, 'cpus' | 'memoryBytes'>): void {
  node.freeMilliCpus += Math.round(holding.cpus * 1000)
  node.freeMemoryBytes += holding.memoryBytes
}

function emptyNode(id: string): PoolNode {
  return {
    id,
    name: id,
    runtime: '',
    milliCpus: 0,
    memoryBytes: 0,
    freeMilliCpus: 0,
    freeMemoryBytes: 0,
    devices: [],
    absent: 'has not said hello to this coordinator yet',
    cordoned: '',
    holdings: new Map(),
  }
}

function gpuShare(node: PoolNode, gpuCount: number): Share {
  // A divided GPU is not offered, so that its slices alone count.
  const offered = node.devices.filter((device) => device.childUuids.length === 0).length
  const share = gpuCount / Math.max(offered, gpuCount)
  return {
    milliCpus: Math.floor(node.milliCpus * share),
    memoryBytes: Math.floor(node.memoryBytes * share),
  }
}

function smallestShare(nodes: Iterable<PoolNode>): Share {
  let { milliCpus, memoryBytes }: Share = cpuType
  for (const node of nodes) {
    if (node.milliCpus > 0) milliCpus = Math.min(milliCpus, node.milliCpus)
    if (node.memoryBytes > 0) memoryBytes = Math.min(memoryBytes, node.memoryBytes)
  }
  return { milliCpus, memoryBytes }
}
