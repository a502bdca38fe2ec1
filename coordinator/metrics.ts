import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { runStates } from '../proto/model/run-state.js'
import type { CommitFacts } from './store/commit-queue.js'

/** What is looked at when somebody asks for the numbers. */
export interface Gauged {
  readonly leading: boolean
  /** Nodes that are connected, and how long ago each was last heard, in milliseconds. */
  readonly heartbeatAgesMs: readonly (readonly [nodeId: string, ageMs: number])[]
  readonly runsByState: Readonly<Record<string, number>>
  readonly queueLength: number
  /** How long the run at the head of the queue has waited; 0 when nothing waits. */
  readonly queueHeadAgeMs: number
  readonly etcdBytes: number
  readonly waitingUnits: number
  readonly waitingBytes: number
  readonly logBytesWaiting: number
}

/** All that this coordinator counts, under names that say what they are. */
export class Metrics {
  readonly registry = new Registry()
  readonly #commits = this.#counter('spell_commits_total', 'Transactions committed to etcd.')
  readonly #commitUnits = this.#counter(
    'spell_commit_units_total',
    'Changes committed, several to a transaction.',
  )
  readonly #storeErrors = this.#counter(
    'spell_store_errors_total',
    'Calls that failed at etcd or the object store.',
    ['store'],
  )
  readonly #logBytes = this.#counter('spell_log_bytes_total', 'Bytes of logs taken in.')
  readonly #commitSeconds = this.#histogram(
    'spell_commit_seconds',
    'From sending a transaction to its answer.',
    [],
  )
  readonly #waitSeconds = this.#histogram('spell_commit_wait_seconds', 'From a change to its commit.', [])
  readonly #rpcSeconds = this.#histogram(
    'spell_rpc_seconds',
    'Calls answered or forwarded, by method and status.',
    ['method', 'status'],
  )

  constructor(look: () => Gauged) {
    this.registry.setDefaultLabels({})
    collectDefaultMetrics({ register: this.registry })
    this.#gauge('spell_leader', '1 while this coordinator leads.', [], (set) =>
      set({}, look().leading ? 1 : 0),
    )
    this.#gauge('spell_runs', 'Runs that are not archived yet, by state.', ['state'], (set) => {
      const counts = look().runsByState
      for (const state of runStates) set({ state }, counts[state] ?? 0)
    })
    this.#gauge('spell_queue_length', 'Runs that wait for a machine.', [], (set) =>
      set({}, look().queueLength),
    )
    this.#gauge('spell_queue_head_age_seconds', 'How long the head of the queue has waited.', [], (set) =>
      set({}, look().queueHeadAgeMs / 1_000),
    )
    this.#gauge('spell_heartbeat_age_seconds', 'How long ago a node was last heard.', ['node'], (set) => {
      for (const [node, ageMs] of look().heartbeatAgesMs) set({ node }, ageMs / 1_000)
    })
    this.#gauge('spell_etcd_bytes', "Size of etcd's database.", [], (set) => set({}, look().etcdBytes))
    this.#gauge('spell_commit_queue_units', 'Changes that wait for their commit.', [], (set) =>
      set({}, look().waitingUnits),
    )
    this.#gauge('spell_commit_queue_bytes', 'Bytes that wait for their commit.', [], (set) =>
      set({}, look().waitingBytes),
    )
    this.#gauge('spell_log_bytes_waiting', 'Bytes of logs that are taken and not yet durable.', [], (set) =>
      set({}, look().logBytesWaiting),
    )
  }

  committed(facts: CommitFacts): void {
    this.#commits.inc()
    this.#commitUnits.inc(facts.units)
    this.#commitSeconds.observe(facts.transactionMs / 1_000)
    this.#waitSeconds.observe(facts.waitedMs / 1_000)
  }

  storeFailed(store: 'etcd' | 'objects'): void {
    this.#storeErrors.inc({ store })
  }

  called(method: string, status: string, milliseconds: number): void {
    this.#rpcSeconds.observe({ method, status }, milliseconds / 1_000)
  }

  tookLog(bytes: number): void {
    this.#logBytes.inc(bytes)
  }

  #counter(name: string, help: string, labelNames: string[] = []): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] })
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60]
    return new Histogram({ name, help, labelNames, buckets, registers: [this.registry] })
  }

  #gauge(
    name: string,
    help: string,
    labelNames: string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        this.reset()
        collect((labels, value) => this.set(labels, value))
      },
    })
  }
}
