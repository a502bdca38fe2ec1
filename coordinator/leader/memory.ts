import type { Clock } from '../../common/clock.js'
import { invariant } from '../../common/errors.js'
import type { MachineRequest } from '../../proto/model/run-spec.js'
import { gpuTypeName } from '../core/gpu-models.js'
import { type Demand, demandOf, type ModelNames, modelNames, unknownDemand } from '../core/machine-types.js'
import { decode, decodeOrigin, decodeStatus } from '../core/record-codec.js'
import type {
  NodeRecord,
  Project,
  RequestRecord,
  RunEdit,
  RunOrigin,
  RunRecord,
  SegmentRecord,
  Setting,
  TokenRecord,
  User,
} from '../core/records.js'
import { type Keys, parseRunKey } from '../store/keys.js'
import { RequestIds } from './request-ids.js'
import { RunBook } from './run-book.js'
import type { KeyValue } from './types.js'

/** The cluster's state in the leader's memory; ahead of etcd by what waits in the commit queue. */
export class Memory {
  readonly runs: RunBook
  readonly requests: RequestIds
  readonly users = new Map<string, User>()
  readonly tokens = new Map<string, TokenRecord>()
  readonly projects = new Map<string, Project>()
  readonly settings = new Map<string, string>()
  readonly nodes = new Map<string, NodeRecord>()
  readonly segments = new Map<number, SegmentRecord>()
  readonly edits = new Map<number, RunEdit>()
  /** The newest run's id. */
  counter = 0
  #models: ModelNames = modelNames([])

  constructor(clock: Clock, maxRequestIds: number) {
    this.runs = new RunBook(clock, (user) => this.users.get(user)?.maxConcurrentRuns ?? 0)
    this.requests = new RequestIds(maxRequestIds)
  }

  /** Known names of GPU models; changes with the nodes. */
  get models(): ModelNames {
    return this.#models
  }

  setNode(record: NodeRecord): void {
    this.nodes.set(record.id, record)
    this.runs.placement.pool.setNode(record.id, record.name, record.inventory)
    this.runs.placement.gained(record.id)
    // What CPU runs get, and to whom a device belongs, may have changed on other nodes too.
    this.runs.placement.changedShape()
    this.#models = modelNames(seenModels(this.nodes.values()))
  }

  /** What a run that was accepted asks for, also when its type is no longer known. */
  demandOf(machine: MachineRequest): Demand {
    const demand = demandOf(machine, this.#models)
    return demand ?? unknownDemand(machine.kind === 'type' ? machine.name : 'GPU')
  }
}

function* seenModels(nodes: Iterable<NodeRecord>): Iterable<string> {
  for (const { inventory } of nodes) {
    const drivers = new Map(inventory.gpus.map((gpu) => [gpu.uuid, gpu.model]))
    for (const gpu of inventory.gpus) yield gpuTypeName(gpu.model, drivers.get(gpu.parentUuid))
  }
}

interface LoadedRuns {
  readonly origins: Map<number, RunOrigin>
  readonly records: Map<number, RunRecord>
}

/** Takes in everything that etcd holds. Throws on a record of an unknown version or a run of which a part is missing. */
export function loadMemory(memory: Memory, keys: Keys, loaded: Iterable<KeyValue>): void {
  const runs: LoadedRuns = { origins: new Map(), records: new Map() }
  const readers = readersOf(memory, keys)
  for (const entry of loaded) {
    const run = parseRunKey(keys, entry.key)
    if (run?.part === 'spec') runs.origins.set(run.runId, decodeOrigin(entry.value, entry.key))
    else if (run?.part === 'status') runs.records.set(run.runId, decodeStatus(entry.value, entry.key))
    else readers.find(([prefix]) => entry.key.startsWith(prefix))?.[1](entry)
  }
  // Ascending, so that queues are filled at their ends.
  for (const id of [...runs.origins.keys()].sort((a, b) => a - b)) {
    const [origin, record] = [runs.origins.get(id), runs.records.get(id)]
    invariant(origin && record, `run ${id} has its spec and its status in etcd`)
    memory.runs.load(origin, record, memory.demandOf(origin.spec.machine))
  }
  for (const id of runs.records.keys()) {
    invariant(runs.origins.has(id), `run ${id} has its spec and its status in etcd`)
  }
}

type Reader = readonly [prefix: string, read: (entry: KeyValue) => void]

function readersOf(memory: Memory, keys: Keys): readonly Reader[] {
  const reader = <T>(prefix: string, take: (record: T) => void): Reader => [
    prefix,
    ({ key, value }) => take(decode<T>(value, key)),
  ]
  return [
    reader<RequestRecord>(keys.requests, (record) => memory.requests.add(record)),
    reader<NodeRecord>(keys.nodes, (record) => memory.setNode(record)),
    reader<User>(keys.users, (record) => memory.users.set(record.name, record)),
    reader<TokenRecord>(keys.tokens, (record) => memory.tokens.set(record.sha256, record)),
    reader<Project>(keys.projects, (record) => memory.projects.set(record.name, record)),
    reader<Setting>(keys.settings, (record) => memory.settings.set(record.name, record.value)),
    reader<SegmentRecord>(keys.segments, (record) => memory.segments.set(record.number, record)),
    reader<RunEdit>(keys.edits, (record) => memory.edits.set(record.id, record)),
    reader<{ newest: number }>(keys.counter, ({ newest }) => {
      memory.counter = newest
    }),
  ]
}
