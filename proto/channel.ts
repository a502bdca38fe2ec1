import {
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type CallOptions as GrpcCallOptions,
  Metadata,
} from '@grpc/grpc-js'
import { type Clock, systemClock } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import { Connections } from './connections.js'
import { apiVersion, apiVersionHeader } from './model/versions.js'
import { Outgoing } from './outgoing.js'
import { rpcErrorFrom } from './rpc-error.js'
import { channelOptions, type TlsIdentity } from './secure-client.js'
import type { Method } from './wire.js'

/** No message of ours is larger, in bytes; a server names it when it refuses one. */
export const maxMessageBytes = 4 * 1024 * 1024

/** In an answer of UNAVAILABLE: what is away beside the coordinator asked; another would answer the same. */
export const stayTrailer = 'away'

export interface ChannelSettings {
  /** `host:port` of coordinators; all serve the same. One that connects is used, and another when it goes. */
  readonly addresses: readonly string[]
  readonly tls: TlsIdentity
  /** Sent as `authorization: Bearer <token>` with every call, unless the call brings its own. */
  readonly token?: string
  /** How often a quiet connection is proven alive, in milliseconds; 20,000 when left out. */
  readonly keepaliveMs?: number
  /** Never through a proxy: coordinators reach one another directly. */
  readonly direct?: true
  /** Bytes that the other side may be ahead on a call, and on all of them; 64 KiB when left out. */
  readonly windowBytes?: number
  readonly clock?: Clock
}

export interface CallOptions {
  /** From now on, in milliseconds; none when left out. Over it: DEADLINE_EXCEEDED. */
  readonly deadlineMs?: number
  /** Cancels the call, which then throws the signal's reason. */
  readonly signal?: AbortSignal
  readonly token?: string
  /** Further metadata, names in lower case. */
  readonly metadata?: Readonly<Record<string, string>>
}

/** A call that takes many messages and answers once. */
export interface Upload<Response> {
  /** Resolves once there is room for another message. */
  write(message: object): Promise<void>
  /** Says that all has been sent, and waits for the answer. */
  finish(): Promise<Response>
  cancel(): void
}

/** A call in which both sides send as they like. Leaving the loop over it cancels it. */
export interface Conversation<Response> extends AsyncIterable<Response> {
  /** Resolves once there is room for another message. */
  write(message: object): Promise<void>
  /** Nothing more comes from here; the other side may go on. */
  end(): void
  cancel(): void
}

/** The client's side of gRPC: throws RpcError for whatever a call ends with, but the signal's reason when that cancelled it. */
export class Channel {
  readonly #token: string | undefined
  readonly #clock: Clock
  readonly #connections: Connections

  constructor(settings: ChannelSettings) {
    this.#token = settings.token
    this.#clock = settings.clock ?? systemClock
    const options = {
      ...channelOptions(settings.keepaliveMs ?? 20_000, maxMessageBytes),
      ...(settings.direct && { 'grpc.enable_http_proxy': 0 }),
      ...(settings.windowBytes && { 'grpc-node.flow_control_window': settings.windowBytes }),
    }
    this.#connections = new Connections(settings.addresses, settings.tls, options, this.#clock)
  }

  /** Begins to connect while the caller does something else first. Nothing fails here: the first call says what went wrong. */
  begin(): void {
    this.#connections.begin()
  }

  /** UNAVAILABLE: there is no connection after so long, though nobody refused it: a machine that has gone says nothing. */
  async connect(withinMs: number, signal: AbortSignal): Promise<void> {
    if ((await this.#connections.settled(withinMs, signal)) === 'late')
      throw new RpcError('UNAVAILABLE', `No connection within ${withinMs} ms.`)
  }

  async call<Request, Response>(
    method: Method<Request, Response>,
    request: object,
    options: CallOptions = {},
  ): Promise<Response> {
    const bytes = method.request.encode(request)
    const client = await this.#client(options)
    return await new Promise<Response>((resolve, reject) => {
      const call = client.makeUnaryRequest(
        method.path,
        asIs,
        method.response.decode,
        bytes,
        this.#metadata(options),
        this.#limits(options),
        (error, response) => {
          unlink()
          if (error) reject(this.#failed(client, reasonOf(error, options)))
          else resolve(response as Response)
        },
      )
      const unlink = linkSignal(options.signal, call)
    })
  }

  /** Reads ahead no more than a few messages. Leaving the loop cancels the call. */
  async *serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: object,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void, undefined> {
    const bytes = method.request.encode(request)
    const client = await this.#client(options)
    const call = client.makeServerStreamRequest(
      method.path,
      asIs,
      method.response.decode,
      bytes,
      this.#metadata(options),
      this.#limits(options),
    )
    try {
      yield* incoming(call, options)
    } catch (error) {
      throw this.#failed(client, error)
    }
  }

  async clientStream<Request, Response>(
    method: Method<Request, Response>,
    options: CallOptions = {},
  ): Promise<Upload<Response>> {
    const client = await this.#client(options)
    let answered: (error: unknown, response?: Response) => void = () => undefined
    const answer = new Promise<Response>((resolve, reject) => {
      answered = (error, response) => (error ? reject(error) : resolve(response as Response))
    })
    // Whoever only writes is told by write(); an answer that nobody asks for is not an unhandled rejection.
    answer.catch(() => undefined)
    const call = client.makeClientStreamRequest(
      method.path,
      asIs,
      method.response.decode,
      this.#metadata(options),
      this.#limits(options),
      (error, response) => {
        unlink()
        const reason = error ? reasonOf(error, options) : undefined
        outgoing.ended(reason)
        answered(reason, response)
      },
    )
    const unlink = linkSignal(options.signal, call)
    const outgoing = new Outgoing(call)
    return {
      write: (message) => outgoing.write(method.request.encode(message)),
      finish: () => {
        outgoing.end()
        return answer
      },
      cancel: () => call.cancel(),
    }
  }

  async conversation<Request, Response>(
    method: Method<Request, Response>,
    options: CallOptions = {},
  ): Promise<Conversation<Response>> {
    const client = await this.#client(options)
    const call: ClientDuplexStream<Buffer, Response> = client.makeBidiStreamRequest(
      method.path,
      asIs,
      method.response.decode,
      this.#metadata(options),
      this.#limits(options),
    )
    const outgoing = new Outgoing(call)
    call.on('error', (error) => outgoing.ended(reasonOf(error, options)))
    call.on('end', () => outgoing.ended())
    return {
      write: (message) => outgoing.write(method.request.encode(message)),
      end: () => outgoing.end(),
      cancel: () => call.cancel(),
      [Symbol.asyncIterator]: () => incoming(call, options),
    }
  }

  /** Ends the connections. Calls under way end with UNAVAILABLE or CANCELLED. Safe to call twice. */
  close(): void {
    this.#connections.close()
  }

  async #client(options: CallOptions): Promise<Client> {
    options.signal?.throwIfAborted()
    const client = await this.#connections.client()
    options.signal?.throwIfAborted()
    return client
  }

  /** A coordinator that reaches nobody says UNAVAILABLE or nothing at all, while another may be well. */
  #failed(client: Client, error: unknown): unknown {
    const isAway = error instanceof RpcError && awayCodes.has(error.code) && !(stayTrailer in error.trailers)
    if (isAway) this.#connections.turnFrom(client)
    return error
  }

  #metadata(options: CallOptions): Metadata {
    const metadata = new Metadata()
    metadata.set(apiVersionHeader, String(apiVersion))
    const token = options.token ?? this.#token
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    for (const [name, value] of Object.entries(options.metadata ?? {})) metadata.set(name, value)
    return metadata
  }

  #limits(options: CallOptions): GrpcCallOptions {
    return options.deadlineMs === undefined ? {} : { deadline: this.#clock.now() + options.deadlineMs }
  }
}

const awayCodes: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED'])

const asIs = (bytes: Buffer): Buffer => bytes

async function* incoming<Response>(
  call: ClientReadableStream<Response> | ClientDuplexStream<Buffer, Response>,
  options: CallOptions,
): AsyncGenerator<Response, void, undefined> {
  const unlink = linkSignal(options.signal, call)
  // After the loop was left, the cancelled call still says so; nobody is left to hear it.
  call.on('error', () => undefined)
  try {
    for await (const message of call) yield message as Response
  } catch (error) {
    throw reasonOf(error, options)
  } finally {
    unlink()
    call.cancel()
  }
}

function linkSignal(signal: AbortSignal | undefined, call: { cancel(): void }): () => void {
  if (!signal) return () => undefined
  const cancel = () => call.cancel()
  if (signal.aborted) cancel()
  signal.addEventListener('abort', cancel, { once: true })
  return () => signal.removeEventListener('abort', cancel)
}

function reasonOf(error: unknown, options: CallOptions): Error {
  const signal = options.signal
  if (signal?.aborted)
    return signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason))
  return rpcErrorFrom(error)
}
