import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { runStates } from '../proto/model/run-state.js'
import type { CommitFacts } from './store/commit-queue.js'

/** What is looked at when somebody asks for the numbers. */
export interface Gauged {
  readonly leading: boolean
  /** 0 while another leads. */
  readonly term: number
  /** By the node's name, since it was last heard; Infinity for one that this leader never heard. */
  readonly heartbeatAgesMs: readonly (readonly [node: string, ageMs: number])[]
  readonly runsByState: Readonly<Record<string, number>>
  readonly queueLength: number
  /** How long the run at the head of the queue has waited; 0 when nothing waits. */
  readonly queueHeadAgeMs: number
  readonly archivedRuns: number
  readonly waitingForArchive: number
  readonly requestIds: number
  readonly etcdBytes: number
  readonly waitingUnits: number
  readonly waitingBytes: number
  readonly unknownOutcomes: number
}

/** One number of the moment each: its name, what it is, and how it is read. */
const simple: readonly (readonly [name: string, help: string, read: (gauged: Gauged) => number])[] = [
  ['spell_leader', '1 while this coordinator leads.', ({ leading }) => (leading ? 1 : 0)],
  ['spell_term', 'The term that this coordinator leads in; 0 while it does not.', ({ term }) => term],
  ['spell_queue_length', 'Runs that wait for a machine.', ({ queueLength }) => queueLength],
  [
    'spell_queue_head_age_seconds',
    'How long the oldest run that waits for a machine has waited.',
    ({ queueHeadAgeMs }) => queueHeadAgeMs / 1_000,
  ],
  ['spell_archived_runs', 'Finished runs that have left etcd.', ({ archivedRuns }) => archivedRuns],
  [
    'spell_archive_waiting_runs',
    'Finished runs on their way out of etcd.',
    (gauged) => gauged.waitingForArchive,
  ],
  ['spell_request_ids', 'Request ids that are remembered.', ({ requestIds }) => requestIds],
  ['spell_etcd_bytes', "Bytes in use of etcd's database.", ({ etcdBytes }) => etcdBytes],
  ['spell_commit_queue_units', 'Changes that wait for their commit.', ({ waitingUnits }) => waitingUnits],
  ['spell_commit_queue_bytes', 'Bytes that wait for their commit.', ({ waitingBytes }) => waitingBytes],
  [
    'spell_commit_unknown_outcomes',
    'Transactions of this term whose outcome had to be found out.',
    ({ unknownOutcomes }) => unknownOutcomes,
  ],
]

const secondsBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60]

/** All that this coordinator counts, under names that say what they are. */
export class Metrics {
  readonly registry = new Registry()
  readonly #registers = [this.registry]
  readonly #commits = new Counter({
    name: 'spell_commits_total',
    help: 'Transactions committed to etcd.',
    registers: this.#registers,
  })
  readonly #units = new Counter({
    name: 'spell_commit_units_total',
    help: 'Changes committed, many to a transaction.',
    registers: this.#registers,
  })
  readonly #operations = new Counter({
    name: 'spell_commit_operations_total',
    help: 'Keys put or deleted in etcd, those of the transactions themselves included.',
    registers: this.#registers,
  })
  readonly #commitSeconds = this.#histogram(
    'spell_commit_seconds',
    'From sending a transaction to its answer.',
    [],
  )
  readonly #waitSeconds = this.#histogram(
    'spell_commit_wait_seconds',
    "From a transaction's oldest change to its end.",
    [],
  )
  readonly #callSeconds = this.#histogram(
    'spell_rpc_seconds',
    'Calls answered or passed on, by method and status.',
    ['method', 'status'],
  )
  readonly #errors = new Counter({
    name: 'spell_store_errors_total',
    help: 'Calls that failed because etcd or the object store did.',
    labelNames: ['store'],
    registers: this.#registers,
  })
  readonly #logBytes = new Counter({
    name: 'spell_log_bytes_total',
    help: 'Bytes of logs taken in.',
    registers: this.#registers,
  })
  readonly #logSyncs = new Counter({
    name: 'spell_log_syncs_total',
    help: 'Times that files of logs were synced to the disk.',
    registers: this.#registers,
  })
  readonly #logBytesWaiting = new Gauge({
    name: 'spell_log_bytes_waiting',
    help: 'Bytes of logs taken in and not yet durable.',
    registers: this.#registers,
  })

  constructor(gauged: () => Gauged) {
    const look = oncePerTurn(gauged)
    collectDefaultMetrics({ register: this.registry })
    for (const [name, help, read] of simple) this.#gauge(name, help, [], (gauge) => gauge.set(read(look())))
    this.#gauge('spell_runs', 'Runs that have not left etcd, by state.', ['state'], (gauge) => {
      const counts = look().runsByState
      for (const state of runStates) gauge.set({ state }, counts[state] ?? 0)
    })
    this.#gauge('spell_heartbeat_age_seconds', 'How long ago a node was last heard.', ['node'], (gauge) => {
      for (const [node, ageMs] of look().heartbeatAgesMs) gauge.set({ node }, ageMs / 1_000)
    })
    this.#errors.inc({ store: 'etcd' }, 0)
    this.#errors.inc({ store: 'objects' }, 0)
  }

  committed(facts: CommitFacts): void {
    this.#commits.inc()
    this.#units.inc(facts.units)
    this.#operations.inc(facts.operations)
    this.#commitSeconds.observe(facts.transactionMs / 1_000)
    this.#waitSeconds.observe(facts.waitedMs / 1_000)
  }

  storeFailed(store: 'etcd' | 'objects'): void {
    this.#errors.inc({ store })
  }

  /** A call of this method (`Runs/Submit`) has ended. */
  called(method: string, status: string, milliseconds: number): void {
    this.#callSeconds.observe({ method, status }, milliseconds / 1_000)
  }

  logBegun(bytes: number): void {
    this.#logBytesWaiting.inc(bytes)
  }

  logEnded(bytes: number): void {
    this.#logBytesWaiting.dec(bytes)
    this.#logBytes.inc(bytes)
  }

  logSynced(): void {
    this.#logSyncs.inc()
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: secondsBuckets, registers: this.#registers })
  }

  #gauge(name: string, help: string, labelNames: string[], collect: (gauge: Gauge) => void): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: this.#registers,
      collect() {
        this.reset()
        collect(this)
      },
    })
  }
}

/** One look serves all numbers of an answer: they are asked for in one turn of the loop. */
function oncePerTurn<Value>(look: () => Value): () => Value {
  let seen: { readonly value: Value } | undefined
  return () => {
    if (seen) return seen.value
    seen = { value: look() }
    setImmediate(() => {
      seen = undefined
    })
    return seen.value
  }
}
