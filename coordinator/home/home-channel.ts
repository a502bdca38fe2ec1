import type { Clock } from '../../common/clock.js'
import { RpcError, type StatusName } from '../../common/errors.js'
import { Channel, type Conversation, stayTrailer } from '../../proto/channel.js'
import { connectionTrouble } from '../../proto/rpc-error.js'
import type { Method } from '../../proto/wire.js'
import type { TlsFiles } from '../tls-files.js'

export interface HomeChannelSettings {
  /** The coordinator that is the store's home. */
  readonly homeId: string
  readonly tls: TlsFiles
}

export interface HomeChannelParts {
  readonly clock: Clock
  /** Where the home answers coordinators, `host:port`; undefined: it is not among the coordinators that run. */
  address(): Promise<string | undefined>
  /** Told each time that the store is away. */
  failed(): void
}

/** Of what asks for a moment's work; what carries bytes takes as long as these take. */
const deadlineMs = 60_000
/** Of what is read: with less a large object waits for the network again and again. */
const windowBytes = 1024 * 1024
/** A home that says nothing for twice this long is away, be it connected or not: slow is not away. */
const keepaliveMs = 5_000

/** Errors of the store itself, not of the way to it. */
const ofStore: ReadonlySet<StatusName> = new Set([
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ABORTED',
  'DATA_LOSS',
  'RESOURCE_EXHAUSTED',
  'INTERNAL',
])

/** What gRPC itself gives for want of an answer. */
const ofTheWay: ReadonlySet<StatusName> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'UNKNOWN',
])

/** The way to the coordinator that has the store. Nothing is tried twice here: whoever asks hears what came of it. */
export class HomeChannel {
  readonly #homeId: string
  readonly #parts: HomeChannelParts
  #tls: TlsFiles
  #address: string | undefined
  #channel: Channel | undefined
  #closed = false

  constructor(settings: HomeChannelSettings, parts: HomeChannelParts) {
    this.#homeId = settings.homeId
    this.#tls = settings.tls
    this.#parts = parts
  }

  async call<Response>(method: Method<unknown, Response>, request: object): Promise<Response> {
    return await this.explained(async () => (await this.connected()).call(method, request, { deadlineMs }))
  }

  /** Like `call`, for what may take as long as it takes. */
  async callPatiently<Response>(method: Method<unknown, Response>, request: object): Promise<Response> {
    return await this.explained(async () => (await this.connected()).call(method, request))
  }

  async *stream<Response>(method: Method<unknown, Response>, request: object): AsyncGenerator<Response> {
    const channel = await this.explained(() => this.connected())
    const messages = channel.serverStream(method, request)
    try {
      yield* messages
    } catch (error) {
      throw this.inWords(error)
    }
  }

  async converse<Response>(method: Method<unknown, Response>): Promise<Conversation<Response>> {
    return await this.explained(async () => (await this.connected()).conversation(method))
  }

  /** The channel to the home, at the newest address known. UNAVAILABLE: it is away. Calls on it belong into `explained`. */
  async connected(): Promise<Channel> {
    const address = (await this.#parts.address()) ?? this.#address
    if (this.#closed) throw new RpcError('UNAVAILABLE', 'this coordinator is being stopped')
    if (address === undefined) throw new RpcError('UNAVAILABLE', 'it is not running')
    const channel = address === this.#address && this.#channel ? this.#channel : this.#open(address)
    await channel.connect(2 * keepaliveMs, new AbortController().signal)
    return channel
  }

  /** What comes of asking the home, in words for whoever wants the store. */
  async explained<Result>(ask: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    try {
      return await ask()
    } catch (error) {
      if (signal?.aborted) throw error
      throw this.inWords(error)
    }
  }

  /** Connections that begin from now on show this certificate; calls under way go on. */
  show(tls: TlsFiles): void {
    this.#tls = tls
    if (this.#address !== undefined && !this.#closed) this.#open(this.#address)
  }

  /** Safe to call twice. */
  close(): void {
    this.#closed = true
    this.#channel?.close()
  }

  #open(address: string): Channel {
    const { ca, certificate, key } = this.#tls
    this.#channel?.close()
    this.#address = address
    this.#channel = new Channel({
      addresses: [address],
      tls: {
        ca: ca.toString(),
        certificate: certificate.toString(),
        key: key.toString(),
        holder: `coordinator:${this.#homeId}`,
      },
      keepaliveMs,
      ...{ direct: true, windowBytes },
      clock: this.#parts.clock,
    })
    return this.#channel
  }

  /** An error of a call to the home. */
  inWords(error: unknown): unknown {
    if (!(error instanceof RpcError) || ofStore.has(error.code)) return error
    this.#parts.failed()
    const where = this.#address === undefined ? '' : ` (${this.#address})`
    // A coordinator that answers UNAVAILABLE says when to ask again.
    const isSilent = ofTheWay.has(error.code) && !('retry-after-ms' in error.trailers)
    const verb = isSilent ? 'does not answer' : 'says'
    const why = (connectionTrouble(error) ?? error.message).replace(/\.$/, '')
    return new RpcError(
      'UNAVAILABLE',
      `The store is away: its home, the coordinator ${this.#homeId}${where}, ${verb}: ${why}.`,
      { cause: error, trailers: { [stayTrailer]: 'the store' } },
    )
  }
}
