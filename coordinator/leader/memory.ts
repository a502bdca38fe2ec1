import type { Clock } from '../../common/clock.js'
import type { MachineRequest } from '../../proto/model/run-spec.js'
import { cordonSentence } from '../core/cordon.js'
import { gpuTypeName } from '../core/gpu-models.js'
import type { JoinTokenRecord, Membership } from '../core/join-records.js'
import { comparable, type Demand, type ModelNames, modelNames, unknownDemand } from '../core/machine-types.js'
import { demandFor, type MadeType } from '../core/made-types.js'
import { defaultCpuShare } from '../core/node-parts.js'
import type {
  LoginCode,
  NodeRecord,
  Project,
  RunEdit,
  SegmentRecord,
  TokenRecord,
  User,
} from '../core/records.js'
import { machineTypeOf } from './membership.js'
import { RequestIds } from './request-ids.js'
import { RunBook } from './run-book.js'

/** The cluster's state in the leader's memory; ahead of etcd by what waits in the commit queue. */
export class Memory {
  readonly runs: RunBook
  readonly requests: RequestIds
  readonly users = new Map<string, User>()
  readonly tokens = new Map<string, TokenRecord>()
  /** By user. */
  readonly loginCodes = new Map<string, LoginCode>()
  readonly projects = new Map<string, Project>()
  readonly settings = new Map<string, string>()
  /** That administrators have made, by compared form of the name. */
  readonly machineTypes = new Map<string, MadeType>()
  readonly nodes = new Map<string, NodeRecord>()
  readonly segments = new Map<number, SegmentRecord>()
  readonly joinTokens = new Map<string, JoinTokenRecord>()
  /** By holder. */
  readonly memberships = new Map<string, Membership>()
  /** As etcd has it. */
  sealedAuthorityKey: string | undefined
  readonly edits = new Map<number, RunEdit>()
  /** What a coordinator with the right key can unseal; undefined: nothing was ever sealed. */
  keyCheck: string | undefined
  /** The newest run's id. */
  counter = 0
  /** etcd was made from a backup, and nobody has repaired the counter since. */
  restored = false
  /** undefined: nodes have changed since it was last asked for. Two thousand say hello at once after a failover. */
  #models: ModelNames | undefined
  readonly #modelsOf = new WeakMap<NodeRecord, readonly string[]>()

  constructor(clock: Clock, maxRequestIds: number) {
    this.runs = new RunBook(clock, (user) => this.users.get(user)?.maxConcurrentRuns ?? 0)
    this.requests = new RequestIds(maxRequestIds)
  }

  #seenOn(node: NodeRecord): readonly string[] {
    const known = this.#modelsOf.get(node) ?? modelsOn(node)
    this.#modelsOf.set(node, known)
    return known
  }

  /** Known names of GPU models; changes with the nodes. */
  get models(): ModelNames {
    this.#models ??= modelNames(new Set([...this.nodes.values()].flatMap((node) => this.#seenOn(node))))
    return this.#models
  }

  setNode(record: NodeRecord): void {
    const { id, name, inventory, cordon, givenUp, gpuSince = {} } = record
    const { placement } = this.runs
    this.nodes.set(id, record)
    const cordoned = givenUp ? `was given up by ${givenUp.by}` : cordonSentence(cordon)
    // What a lost machine had may be in another by now.
    const offered = givenUp ? { ...inventory, gpus: [] } : inventory
    placement.pool.setNode(id, name, offered, { cordoned, labels: this.labelsOf(record), gpuSince })
    placement.gained(id)
    this.#nodesChanged()
  }

  /** Nothing may hold anything of it any more. */
  removeNode(id: string): void {
    this.nodes.delete(id)
    this.runs.placement.pool.removeNode(id)
    this.#nodesChanged()
  }

  /** What CPU runs get, and to whom a device belongs, may have changed on other nodes too. */
  #nodesChanged(): void {
    this.runs.placement.changedShape()
    this.#models = undefined
  }

  /** An empty value unsets it. */
  setSetting(name: string, value: string): void {
    if (value === '') this.settings.delete(name)
    else this.settings.set(name, value)
    if (name !== 'cpu-share') return
    this.runs.placement.pool.setCpuShare(value === '' ? defaultCpuShare : Number(value))
    this.runs.placement.changedShape()
  }

  setMachineType(type: MadeType): void {
    this.machineTypes.set(comparable(type.name), type)
    this.runs.placement.limits.set(type.name, type.limit)
    this.#typeChanged(type.name)
  }

  /** No run that has not ended may be of it. */
  removeMachineType(name: string): void {
    this.machineTypes.delete(comparable(name))
    this.runs.placement.limits.set(name, 0)
    this.#typeChanged(name)
  }

  /** Those that were given to the node itself, and those of the made type as which it joined. */
  labelsOf({ id, labels = [] }: Pick<NodeRecord, 'id' | 'labels'>): readonly string[] {
    const type = this.machineTypes.get(comparable(machineTypeOf(this, id) ?? ''))
    return [...new Set([...labels, ...(type?.labels ?? [])])].sort()
  }

  #typeChanged(name: string): void {
    for (const record of this.nodes.values())
      if (comparable(machineTypeOf(this, record.id) ?? '') === comparable(name)) this.setNode(record)
  }

  /** undefined: there is no such type now. */
  knownDemand(machine: MachineRequest): Demand | undefined {
    return demandFor(machine, this.models, this.machineTypes)
  }

  /** What a run that was accepted asks for, also when its type is no longer known. */
  demandOf(machine: MachineRequest): Demand {
    const demand = this.knownDemand(machine)
    return demand ?? unknownDemand(machine.kind === 'type' ? machine.name : 'GPU')
  }
}

function modelsOn({ inventory }: NodeRecord): readonly string[] {
  const drivers = new Map(inventory.gpus.map((gpu) => [gpu.uuid, gpu.model]))
  return [...new Set(inventory.gpus.map((gpu) => gpuTypeName(gpu.model, drivers.get(gpu.parentUuid))))]
}
