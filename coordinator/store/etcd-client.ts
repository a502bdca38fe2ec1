import { ConnectionPool } from 'etcd3/lib/connection-pool.js'
import type { Clock } from '../../common/clock.js'
import { status } from '../../common/errors.js'
import { type CallOptions, type Etcd, EtcdError } from './etcd.js'
import { toEtcdError } from './etcd-error.js'
import {
  clusterIdOf,
  rangeFromMessage,
  rangeToMessage,
  revisionOf,
  transactionFromMessage,
  transactionToMessage,
} from './etcd-messages.js'
import { readSnapshot } from './etcd-snapshot.js'
import { watchKey } from './etcd-watch.js'
import { type Connecting, untilConnected } from './until-connected.js'

// Of etcd3 we use its protocol and its connections. Calls go to the gRPC clients underneath, past its fault handling, which
// would send a transaction again that may have happened, and refuse everything for 5 s after three errors.

export interface EtcdSettings {
  /** `host:port` each; the client stays with one until it fails, then goes on to the next. */
  readonly endpoints: readonly string[]
  /** PEM. Without it the connection is plain text: for tests only. */
  readonly tls?: EtcdIdentity
  /** Deadline of a call that brings none of its own. */
  readonly callTimeoutMs: number
}

/** PEM */
export interface EtcdIdentity {
  readonly ca: Buffer
  readonly certificate: Buffer
  readonly key: Buffer
}

export interface EtcdClient extends Etcd {
  /** Connects anew with this certificate. Calls and watches that are under way end on the connection they began on. */
  show(identity: EtcdIdentity): void
}

type Service = 'KV' | 'Lease' | 'Watch' | 'Maintenance'

/** A grpc-js client with the methods that etcd3's definitions give it; its own type has none of them. */
export type RawClient = Readonly<Record<string, unknown>>

export interface DuplexStream {
  on(event: 'data', listener: (message: Readonly<Record<string, unknown>>) => void): this
  on(event: 'error', listener: (error: Error) => void): this
  on(event: 'end', listener: () => void): this
  write(message: object): void
  end(): void
  cancel(): void
}

// A broken connection must be noticed and replaced within a lease's time to live; grpc-js alone waits up to two minutes.
const channelOptions = {
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  // etcd is never behind one, whatever the machine's environment says.
  'grpc.enable_http_proxy': 0,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
}

const slowCallTimeoutMs = 60_000
/** A member that takes longer to connect is left for another: it may be cut off, and nothing would say so. */
const connectPatienceMs = 1_000

export function connectEtcd(settings: EtcdSettings, clock: Clock): EtcdClient {
  const connections = new Connections(settings, clock)
  return {
    range: async (query, options) =>
      rangeFromMessage(await connections.call('KV', 'range', rangeToMessage(query), options)),
    transact: async (transaction, options) =>
      transactionFromMessage(await connections.call('KV', 'txn', transactionToMessage(transaction), options)),
    async grantLease(ttlSeconds, options) {
      const answer = await connections.call('Lease', 'leaseGrant', { TTL: ttlSeconds }, options)
      return { leaseId: String(answer.ID), ttlSeconds: Number(answer.TTL) }
    },
    keepLeaseAlive: (leaseId, options) => connections.keepAlive(leaseId, options),
    async revokeLease(leaseId, options) {
      await connections
        .call('Lease', 'leaseRevoke', { ID: leaseId }, options)
        .catch(unless((error) => error.code === status.NOT_FOUND))
    },
    async status(options) {
      const answer = await connections.call('Maintenance', 'status', {}, options)
      return {
        version: String(answer.version),
        fileBytes: Number(answer.dbSize),
        usedBytes: Number(answer.dbSizeInUse),
        revision: revisionOf(answer),
        clusterId: clusterIdOf(answer),
        outOfSpace: (answer.errors as readonly string[]).some((error) => error.includes('NOSPACE')),
      }
    },
    async compact(revision, options) {
      await connections
        .call('KV', 'compact', { revision, physical: true }, { timeoutMs: slowCallTimeoutMs, ...options })
        .catch(unless((error) => error.message.includes('has been compacted')))
    },
    async defragment(options) {
      await connections.call('Maintenance', 'defragment', {}, { timeoutMs: slowCallTimeoutMs, ...options })
    },
    async allowWrites(options) {
      const alarm = 'Nospace'
      const { alarms } = await connections.call('Maintenance', 'alarm', { action: 'Get', alarm }, options)
      for (const { memberID } of alarms as readonly { readonly memberID: string }[]) {
        await connections.call('Maintenance', 'alarm', { action: 'Deactivate', memberID, alarm }, options)
      }
    },
    async *snapshot(signal) {
      // A member that lags behind would send what it has; one that has answered this has all that was written before it.
      await connections.call('KV', 'range', rangeToMessage({ prefix: 'snapshot', limit: 1 }), undefined)
      yield* readSnapshot(await connections.client('Maintenance'), signal)
    },
    watch: (key, wake) => watchKey(() => connections.client('Watch'), { key, wake, clock }),
    show: (identity) => connections.show(identity),
    close: () => connections.close(),
  }
}

class Connections {
  readonly #settings: EtcdSettings
  readonly #clock: Clock
  #pools: readonly ConnectionPool[]
  #current = 0

  constructor(settings: EtcdSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
    this.#pools = poolsOf(settings.endpoints, settings.tls)
  }

  show(identity: EtcdIdentity): void {
    const before = this.#pools
    this.#pools = poolsOf(this.#settings.endpoints, identity)
    for (const pool of before) pool.close()
  }

  /** Of the current member; of another where that one does not connect. When none does, the call says what is wrong. */
  async client(service: Service): Promise<RawClient> {
    for (let left = this.#pools.length - 1; left > 0; left -= 1) {
      const used = this.#current
      const client = await this.#clientOf(service)
      const deadline = this.#clock.now() + connectPatienceMs
      if (await untilConnected(client as unknown as Connecting, deadline)) return client
      if (this.#current === used) this.#current += 1
    }
    return await this.#clientOf(service)
  }

  async #clientOf(service: Service): Promise<RawClient> {
    const pool = this.#pools[this.#current % this.#pools.length]
    if (!pool) throw new EtcdError('refused', status.INVALID_ARGUMENT, 'No etcd endpoint is set.', undefined)
    return (await pool.withConnection(service, ({ client }) => client)) as unknown as RawClient
  }

  /** A call by etcd3's own definitions. */
  async call(service: Service, method: string, request: object, options?: CallOptions) {
    const client = await this.client(service)
    return this.#settle<Readonly<Record<string, unknown>>>((deadline, done) => {
      const invoke = client[method] as (request: object, options: object, done: unknown) => void
      invoke.call(client, request, { deadline }, done)
    }, options)
  }

  /** A stream of its own for each renewal: nothing of an earlier one can hang on to it. */
  async keepAlive(leaseId: string, options?: CallOptions): Promise<number> {
    const client = await this.client('Lease')
    return this.#settle<number>((deadline, done) => {
      const open = client.leaseKeepAlive as (options: object) => DuplexStream
      const stream = open.call(client, { deadline })
      stream.on('data', (answer) => {
        done(null, Number(answer.TTL))
        stream.end()
      })
      stream.on('error', (error) => done(error))
      stream.on('end', () => done(new Error('etcd ended the stream without an answer.')))
      stream.write({ ID: leaseId })
    }, options)
  }

  close(): void {
    for (const pool of this.#pools) pool.close()
  }

  #settle<Answer>(
    start: (deadline: number, done: (error: Error | null, answer?: Answer) => void) => void,
    options: CallOptions | undefined,
  ): Promise<Answer> {
    const used = this.#current
    const deadline = this.#clock.now() + (options?.timeoutMs ?? this.#settings.callTimeoutMs)
    return new Promise((resolve, reject) => {
      let settled = false
      start(deadline, (error, answer) => {
        if (settled) return
        settled = true
        if (!error && answer !== undefined) return resolve(answer)
        const failure = toEtcdError(error)
        if (failure.outcome === 'unknown' && this.#current === used) this.#current += 1
        reject(failure)
      })
    })
  }
}

function poolsOf(endpoints: readonly string[], tls: EtcdIdentity | undefined): readonly ConnectionPool[] {
  return endpoints.map(
    (endpoint) =>
      new ConnectionPool({
        hosts: endpoint,
        grpcOptions: channelOptions,
        ...(tls && {
          credentials: { rootCertificate: tls.ca, privateKey: tls.key, certChain: tls.certificate },
        }),
      }),
  )
}

function unless(harmless: (error: EtcdError) => boolean) {
  return (error: unknown) => {
    if (!(error instanceof EtcdError && harmless(error))) throw error
  }
}
