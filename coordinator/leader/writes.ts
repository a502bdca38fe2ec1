import { messageOf, RpcError } from '../../common/errors.js'
import { encode, encodeOrigin, encodeStatus } from '../core/record-codec.js'
import type { RunOrigin, RunView } from '../core/records.js'
import type { Schema } from '../core/schema.js'
import type { Keys } from '../store/keys.js'
import { schemaValue } from './raise-schema.js'
import type { RunBook, RunEntry } from './run-book.js'
import type { CommitQueue, Put } from './types.js'
import type { Watchers } from './watchers.js'

/** Of changed runs in one unit: with what else a unit may hold it stays below what one transaction takes. */
const unitLimits = { runs: 50, characters: 64 * 1024 }

/** Turns what was changed in memory into units of the commit queue, and tells watchers once those are committed. */
export class Writes {
  readonly keys: Keys
  readonly #queue: CommitQueue
  readonly #schema: Schema
  readonly #runs: RunBook
  readonly #watchers: Watchers
  readonly #view: (entry: RunEntry) => RunView
  readonly #stepDown: (reason: string) => void
  #refused = false

  constructor(
    parts: {
      readonly queue: CommitQueue
      readonly keys: Keys
      readonly loaded: { readonly schema: Schema }
      stepDown(reason: string): void
    },
    runs: RunBook,
    watchers: Watchers,
    view: (entry: RunEntry) => RunView,
  ) {
    this.keys = parts.keys
    this.#queue = parts.queue
    this.#schema = parts.loaded.schema
    this.#runs = runs
    this.#watchers = watchers
    this.#view = view
    this.#stepDown = (reason) => parts.stepDown(reason)
  }

  /** Refuses what people ask for while too much waits to be stored; to be called before memory is changed. */
  checkRoom(): void {
    if (this.#queue.hasRoom()) return
    throw new RpcError('RESOURCE_EXHAUSTED', 'Too many changes wait to be stored; try again in a moment.', {
      trailers: { 'retry-after-ms': '1000' },
    })
  }

  /**
   * Commits every run changed since the last call, with `puts` and `deletes` beside the first of them. Resolves when all
   * of it is in etcd; rejects when leadership ends first.
   */
  commit(puts: readonly Put[] = [], deletes: readonly string[] = []): Promise<void> {
    const changed = [...this.#runs.takeChanged()]
    const [first, ...rest] = split(changed.map((entry) => this.#put(entry)))
    const beside = [...puts, ...(first ?? [])]
    const units = beside.length > 0 || deletes.length > 0 ? [beside, ...rest] : []
    return this.#commitUnits(units, deletes, changed)
  }

  /** The same with puts of which each stands for itself, however many they are. */
  commitEach(puts: readonly Put[]): Promise<void> {
    const changed = [...this.#runs.takeChanged()]
    return this.#commitUnits(split([...changed.map((entry) => this.#put(entry)), ...puts]), [], changed)
  }

  /** The same, for whoever has nothing to say afterwards. */
  post(puts: readonly Put[] = [], deletes: readonly string[] = []): void {
    this.commit(puts, deletes).catch(() => {})
  }

  /** Resolves when everything that a reader may have seen is in etcd. */
  seen(): Promise<void> {
    return this.#queue.flushed()
  }

  originPut(origin: RunOrigin): Put {
    return { key: this.keys.runSpec(origin.id), value: encodeOrigin(origin) }
  }

  counterPut(newest: number): Put {
    return { key: this.keys.counter, value: encode({ newest }) }
  }

  schemaPut(version: number): Put {
    return { key: this.keys.schema, value: schemaValue(version) }
  }

  #put({ record }: RunEntry): Put {
    return { key: this.keys.runStatus(record.id), value: encodeStatus(record) }
  }

  /** `deletes` go with the first. */
  #commitUnits(
    units: readonly (readonly Put[])[],
    deletes: readonly string[],
    changed: readonly RunEntry[],
  ): Promise<void> {
    let committed: Promise<void> | undefined
    for (const [index, unit] of units.entries()) committed = this.#add(unit, index === 0 ? deletes : [])
    if (!committed) return this.#queue.flushed()
    if (this.#watchers.any) this.#tellWhen(committed, changed)
    return committed
  }

  #add(puts: readonly Put[], deletes: readonly string[]): Promise<void> {
    const committed = this.#queue.add({ puts: puts.map((put) => this.#stored(put)), deletes })
    committed.catch((error: unknown) => {
      // Memory is ahead of etcd for good: this term is over, whatever the reason was.
      if (this.#refused) return
      this.#refused = true
      this.#stepDown(`a change was not committed (${messageOf(error)})`)
    })
    return committed
  }

  #stored(put: Put): Put {
    return put.key === this.keys.schema ? put : { ...put, value: this.#schema.toStored(put.value) }
  }

  #tellWhen(committed: Promise<void>, changed: readonly RunEntry[]): void {
    const views = changed
      .filter(({ record }) => this.#watchers.has(record.id))
      .map((entry) => this.#view(entry))
    if (views.length === 0) return
    committed.then(
      () => {
        for (const run of views) this.#watchers.tell(run.id, { kind: 'run', run })
      },
      () => {},
    )
  }
}

function split(puts: readonly Put[]): readonly (readonly Put[])[] {
  const units: Put[][] = []
  let characters = 0
  for (const put of puts) {
    const unit = units.at(-1)
    characters += put.value.length
    if (unit && unit.length < unitLimits.runs && characters < unitLimits.characters) unit.push(put)
    else {
      units.push([put])
      characters = put.value.length
    }
  }
  return units
}
