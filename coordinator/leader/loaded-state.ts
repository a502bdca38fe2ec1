import type { Clock } from '../../common/clock.js'
import { invariant } from '../../common/errors.js'
import type { JoinTokenRecord, Membership } from '../core/join-records.js'
import type { MadeType } from '../core/made-types.js'
import { decode, decodeOrigin, decodeStatus } from '../core/record-codec.js'
import type {
  LoginCode,
  NodeRecord,
  Project,
  RequestRecord,
  RunEdit,
  RunOrigin,
  SegmentRecord,
  Setting,
  TokenRecord,
  User,
} from '../core/records.js'
import { Schema } from '../core/schema.js'
import { type Keys, parseRunKey } from '../store/keys.js'
import type { SealedSecret } from './authority.js'
import { Memory } from './memory.js'
import { recordVersionIn } from './raise-schema.js'
import type { KeyValue } from './types.js'

/**
 * The leader's memory as it is read from etcd, entry by entry: the work is done as each page arrives, so that a lease is
 * renewed between pages however many runs there are. Entries come in the order of keys: nodes before runs, a run's spec
 * before its status.
 */
export class LoadedState {
  readonly memory: Memory
  /** What records are read and written as. */
  readonly schema: Schema
  readonly #keys: Keys
  readonly #readers: readonly Reader[]
  /** Of the run whose status comes next. */
  #origin: RunOrigin | undefined

  constructor(
    settings: { readonly maxRequestIds: number; readonly versionsAhead: number },
    parts: { readonly clock: Clock; readonly keys: Keys },
  ) {
    this.memory = new Memory(parts.clock, settings.maxRequestIds)
    this.schema = new Schema(settings.versionsAhead)
    this.#keys = parts.keys
    this.#readers = readersOf(this.memory, this.schema, parts.keys)
  }

  /** Throws on a record of an unknown version and on a run of which a part is missing. */
  take({ key, value }: KeyValue): void {
    const entry = { key, value: key === this.#keys.schema ? value : this.schema.fromStored(value) }
    const run = parseRunKey(this.#keys, entry.key)
    if (run?.part === 'spec') this.#takeOrigin(decodeOrigin(entry.value, entry.key))
    else if (run?.part === 'status') this.#takeStatus(entry)
    else this.#readers.find(([prefix]) => entry.key.startsWith(prefix))?.[1](entry)
  }

  /** Everything has been taken. */
  finish(): Memory {
    invariant(!this.#origin, `run ${this.#origin?.id} has its spec and its status in etcd`)
    return this.memory
  }

  #takeOrigin(origin: RunOrigin): void {
    this.finish()
    this.#origin = origin
  }

  #takeStatus({ key, value }: KeyValue): void {
    const record = decodeStatus(value, key)
    const origin = this.#origin
    invariant(origin?.id === record.id, `run ${record.id} has its spec and its status in etcd`)
    this.#origin = undefined
    this.memory.runs.load(origin, record, this.memory.demandOf(origin.spec.machine))
  }
}

type Reader = readonly [prefix: string, read: (entry: KeyValue) => void]

function readersOf(memory: Memory, schema: Schema, keys: Keys): readonly Reader[] {
  const reader = <T>(prefix: string, take: (record: T) => void): Reader => [
    prefix,
    ({ key, value }) => take(decode<T>(value, key)),
  ]
  return [
    reader<RequestRecord>(keys.requests, (record) => memory.requests.add(record)),
    reader<NodeRecord>(keys.nodes, (record) => {
      invariant(memory.runs.size === 0, 'nodes are loaded before runs')
      memory.setNode(record)
    }),
    reader<User>(keys.users, (record) => memory.users.set(record.name, record)),
    reader<TokenRecord>(keys.tokens, (record) => memory.tokens.set(record.sha256, record)),
    reader<LoginCode>(keys.loginCodes, (record) => memory.loginCodes.set(record.user, record)),
    reader<Project>(keys.projects, (record) => memory.projects.set(record.name, record)),
    reader<MadeType>(keys.machineTypes, (record) => memory.setMachineType(record)),
    reader<Setting>(keys.settings, (record) => memory.setSetting(record.name, record.value)),
    reader<SegmentRecord>(keys.segments, (record) => memory.segments.set(record.number, record)),
    reader<JoinTokenRecord>(keys.joinTokens, (record) => memory.joinTokens.set(record.sha256, record)),
    reader<Membership>(keys.memberships, (record) => memory.memberships.set(record.holder, record)),
    reader<SealedSecret>(keys.authorityKey, ({ sealed }) => {
      memory.sealedAuthorityKey = sealed
    }),
    reader<RunEdit>(keys.edits, (record) => memory.edits.set(record.id, record)),
    [keys.schema, ({ value }) => schema.write(recordVersionIn(value))],
    reader<object>(keys.restored, () => {
      memory.restored = true
    }),
    reader<{ sealed: string }>(keys.keyCheck, ({ sealed }) => {
      memory.keyCheck = sealed
    }),
    reader<{ newest: number }>(keys.counter, ({ newest }) => {
      memory.counter = newest
    }),
  ]
}
