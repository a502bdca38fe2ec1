import type { Inventory, InventoryGpu } from '../../proto/model/link.js'
import { gpuTypeName } from './gpu-models.js'
import { GpuOwners, type GpuSince, wholeGpu } from './gpu-owners.js'
import { HeldDevices } from './held-devices.js'
import { cpuType, type Demand, takesGpu } from './machine-types.js'
import {
  defaultCpuShare,
  minus,
  nothing,
  type Parts,
  partsOf,
  plus,
  type RunKind,
  type Share,
  smaller,
} from './node-parts.js'
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
  /** It is another node's. */
  readonly foreign: boolean
}

export type DeviceSet = 'free' | 'usable' | 'own'

export interface PoolNode {
  readonly id: string
  name: string
  runtime: string
  /** Whole, in thousandths of a core. */
  milliCpus: number
  memoryBytes: number
  /** Where its data are. */
  diskFreeBytes: number
  /** What runs with and without GPUs may take of it. */
  parts: Parts
  readonly used: Record<RunKind, Share>
  gpus: readonly InventoryGpu[]
  devices: readonly Device[]
  labels: ReadonlySet<string>
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

/** What administrators say of a node, and what its record remembers. */
export interface NodeMarks {
  readonly cordoned?: string
  readonly labels?: readonly string[]
  readonly gpuSince?: GpuSince
}

/**
 * Nodes, their devices, and who holds what. Nothing here frees a device but `release`, which the leader calls only when
 * the device's agent has said that nothing holds it.
 */
export class Pool {
  readonly nodes = new Map<string, PoolNode>()
  readonly #held = new HeldDevices()
  readonly #owners = new GpuOwners()
  #cpuShare = defaultCpuShare
  /** What a run of type CPU gets. */
  #cpuRun: Share = cpuType

  /** Adds a node or takes in what has changed about it. New nodes are absent until `setAbsent(id, '')`. */
  setNode(id: string, name: string, inventory: Inventory, marks: NodeMarks = {}): void {
    const node = this.nodes.get(id) ?? emptyNode(id)
    this.nodes.set(id, node)
    node.name = name
    node.runtime = inventory.runtime
    node.milliCpus = Math.floor(inventory.cpus * 1000)
    node.memoryBytes = inventory.memoryBytes
    node.diskFreeBytes = inventory.diskFreeBytes
    node.gpus = inventory.gpus
    this.#held.learn(inventory.gpus)
    node.labels = new Set(marks.labels)
    node.cordoned = marks.cordoned ?? ''
    const shown = new Set(inventory.gpus.map(wholeGpu))
    this.#reshape(node, this.#owners.claim(id, shown, marks.gpuSince ?? {}))
  }

  /** Its devices belong to whoever else has them. Nothing may hold anything of it any more. */
  removeNode(id: string): void {
    if (!this.nodes.delete(id)) return
    this.#reshape(undefined, this.#owners.claim(id, new Set(), {}))
  }

  /** Of a node with GPUs the part of cores and memory that is set aside for runs without GPUs: 0 to below 1. */
  setCpuShare(share: number): void {
    this.#cpuShare = share
    this.#reshape(undefined, this.nodes.keys())
  }

  setAbsent(id: string, reason: string): void {
    const node = this.nodes.get(id)
    if (node) node.absent = reason
  }

  hold(key: string, runId: number, holding: Holding): void {
    for (const uuid of holding.gpuUuids) this.#held.hold(uuid, { runId, key })
    const node = this.nodes.get(holding.nodeId) ?? emptyNode(holding.nodeId)
    this.nodes.set(node.id, node)
    const before = node.holdings.get(key)
    if (before) node.used[kindOf(before)] = minus(node.used[kindOf(before)], shareOf(before))
    node.holdings.set(key, { ...holding, runId })
    node.used[kindOf(holding)] = plus(node.used[kindOf(holding)], shareOf(holding))
  }

  release(key: string, holding: Holding): void {
    for (const uuid of holding.gpuUuids) this.#held.release(uuid, key)
    const node = this.nodes.get(holding.nodeId)
    const held = node?.holdings.get(key)
    if (!node || !held) return
    node.holdings.delete(key)
    node.used[kindOf(held)] = minus(node.used[kindOf(held)], shareOf(held))
  }

  holder(uuid: string): number | undefined {
    return this.#held.holder(uuid)?.runId
  }

  /** The node that may promise this device. */
  ownerOf(uuid: string): string | undefined {
    return this.#owners.ownerOf(this.#held.wholeOf(uuid))
  }

  /** Ids of every node that shows this GPU. */
  shownBy(uuid: string): readonly string[] {
    return this.#owners.shownBy(uuid)
  }

  /** Neither it, nor what it is a slice of, nor a slice of it is held, on whatever node. */
  isFree(device: Device): boolean {
    return this.#held.isFree(device.uuid)
  }

  /** What a run of this demand gets on this node. */
  shareOn(node: PoolNode, demand: Demand): Share {
    const byType = demand.gpuCount > 0 ? gpuShare(node, demand.gpuCount) : this.#cpuRun
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
      if (device.unusable !== '' && !(which === 'own' && isOwn(device))) continue
      if (which === 'free' && !this.isFree(device)) continue
      const sort = sorts.get(device.type)
      if (sort) sort.push(device)
      else sorts.set(device.type, [device])
    }
    return sorts
  }

  /** Works out anew what follows from inventories, owners and the share: of this node and of those concerned with it. */
  #reshape(node: PoolNode | undefined, concerned: Iterable<string>): void {
    for (const each of [node, ...[...concerned].map((id) => this.nodes.get(id))]) {
      if (!each) continue
      each.devices = this.#devicesOf(each)
      each.parts = partsOf(each, offered(each), this.#cpuShare)
    }
    this.#cpuRun = smallestCpuRun(this.nodes.values())
  }

  #devicesOf({ id, name, gpus }: PoolNode): readonly Device[] {
    const models = new Map(gpus.map((gpu) => [gpu.uuid, gpu.model]))
    const devices = gpus.map((gpu): Device => {
      const owner = this.#owners.ownerOf(wholeGpu(gpu)) ?? id
      const childUuids = gpus.filter((other) => other.parentUuid === gpu.uuid).map(({ uuid }) => uuid)
      return {
        uuid: gpu.uuid,
        type: gpuTypeName(gpu.model, models.get(gpu.parentUuid)),
        memoryBytes: gpu.memoryBytes,
        parentUuid: gpu.parentUuid,
        childUuids,
        foreign: owner !== id,
        unusable:
          owner !== id
            ? `it belongs to node ${this.nodes.get(owner)?.name ?? owner}, and node ${name} shows it too`
            : childUuids.length > 0
              ? 'it is divided into MIG devices'
              : gpu.unusableReason,
      }
    })
    return devices.sort((a, b) => (a.uuid < b.uuid ? -1 : 1))
  }
}

/** What of the node runs of this kind could take now. */
export function freeFor(node: PoolNode, kind: RunKind): Share {
  const whole = minus(node, plus(node.used.cpu, node.used.gpu))
  return smaller(minus(node.parts[kind], node.used[kind]), whole)
}

export function runKind(demand: Pick<Demand, 'gpuCount'>): RunKind {
  return demand.gpuCount > 0 ? 'gpu' : 'cpu'
}

function kindOf(holding: Pick<Holding, 'gpuUuids'>): RunKind {
  return holding.gpuUuids.length > 0 ? 'gpu' : 'cpu'
}

function shareOf(holding: Pick<Holding, 'cpus' | 'memoryBytes'>): Share {
  return { milliCpus: Math.round(holding.cpus * 1000), memoryBytes: holding.memoryBytes }
}

function emptyNode(id: string): PoolNode {
  return {
    id,
    name: id,
    runtime: '',
    milliCpus: 0,
    memoryBytes: 0,
    diskFreeBytes: 0,
    parts: { cpu: nothing, gpu: nothing },
    used: { cpu: nothing, gpu: nothing },
    gpus: [],
    devices: [],
    labels: new Set(),
    absent: 'has not said hello to this coordinator yet',
    cordoned: '',
    holdings: new Map(),
  }
}

/** A divided GPU is not offered, so that its slices alone count; nor is one of another node. */
function offered({ devices }: PoolNode): number {
  return devices.filter((device) => device.childUuids.length === 0 && !device.foreign).length
}

function gpuShare(node: PoolNode, gpuCount: number): Share {
  const share = gpuCount / Math.max(offered(node), gpuCount)
  return {
    milliCpus: Math.floor(node.parts.gpu.milliCpus * share),
    memoryBytes: Math.floor(node.parts.gpu.memoryBytes * share),
  }
}

/** 2 cores and 8 GB, or what the smallest node can give where that is less. */
function smallestCpuRun(nodes: Iterable<PoolNode>): Share {
  let { milliCpus, memoryBytes }: Share = cpuType
  for (const { parts } of nodes) {
    if (parts.cpu.milliCpus > 0) milliCpus = Math.min(milliCpus, parts.cpu.milliCpus)
    if (parts.cpu.memoryBytes > 0) memoryBytes = Math.min(memoryBytes, parts.cpu.memoryBytes)
  }
  return { milliCpus, memoryBytes }
}

/** Whatever else is wrong with it, it is this node's and not divided. */
function isOwn(device: Device): boolean {
  return device.childUuids.length === 0 && !device.foreign
}
