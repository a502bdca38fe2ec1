import type { EventEmitter } from 'node:events'
import type {
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js'
import { RpcError } from '../../common/errors.js'

/** A call as gRPC hands it in: messages are bytes. */
export type RawCall =
  | ServerUnaryCall<Buffer, Buffer>
  | ServerWritableStream<Buffer, Buffer>
  | ServerReadableStream<Buffer, Buffer>
  | ServerDuplexStream<Buffer, Buffer>

/** One call under way, whatever its kind. */
export class LiveCall {
  readonly #call: RawCall
  readonly #live: Set<LiveCall>
  #controller: AbortController | undefined
  #onEnded: (() => void) | undefined

  /** `live` holds it from the first look at its signal until it ends. */
  constructor(call: RawCall, live: Set<LiveCall>) {
    this.#call = call
    this.#live = live
  }

  get metadata(): Metadata {
    return this.#call.metadata
  }

  /** `host:port` that the call came from. */
  get peer(): string {
    return this.#call.getPeer()
  }

  /** Common name in the caller's certificate, where one was asked for. */
  get commonName(): string | undefined {
    const name: unknown = this.#call.getAuthContext().sslPeerCertificate?.subject?.CN
    return typeof name === 'string' ? name : undefined
  }

  /** Aborted when the caller has gone, its deadline has passed or this coordinator no longer leads. Made on first use. */
  get signal(): AbortSignal {
    if (this.#controller) return this.#controller.signal
    const controller = new AbortController()
    this.#controller = controller
    this.#live.add(this)
    const events: EventEmitter = this.#call
    if (this.#call.cancelled) controller.abort(gone())
    else events.once('cancelled', () => controller.abort(gone()))
    return controller.signal
  }

  get wasAborted(): boolean {
    return this.#controller?.signal.aborted ?? false
  }

  abort(reason: Error): void {
    this.#controller?.abort(reason)
  }

  /** Why it failed: what ended the call comes before what that made of the work on it. */
  reasonOf(error: unknown): unknown {
    if (this.#controller?.signal.aborted) return this.#controller.signal.reason
    return this.#call.cancelled ? gone() : error
  }

  /** Once it has ended, however it does; one action. */
  onEnded(action: () => void): void {
    this.#onEnded = action
  }

  ended(): void {
    this.#live.delete(this)
    this.#onEnded?.()
  }
}

const gone = () => new RpcError('CANCELLED', 'The caller has ended the call or its deadline has passed.')

/** What answers a method. Messages are decoded; what it gives is encoded. Context says who calls, and whom it may ask. */
export type Handler<Context> =
  | { readonly kind: 'unary'; handle(request: unknown, context: Context): Promise<object> }
  | { readonly kind: 'server_stream'; handle(request: unknown, context: Context): AsyncIterable<object> }
  | {
      readonly kind: 'client_stream'
      handle(messages: AsyncIterable<unknown>, context: Context): Promise<object>
    }
  | {
      readonly kind: 'conversation'
      handle(messages: AsyncIterable<unknown>, context: Context): AsyncIterable<object>
    }

/** By `Service/Method`, as in `Runs/Submit`. */
export type Handlers<Context> = Readonly<Record<string, Handler<Context>>>

export function unary<Request, Context>(
  handle: (request: Request, context: Context) => Promise<object>,
): Handler<Context> {
  return { kind: 'unary', handle: (request, context) => handle(request as Request, context) }
}

export function serverStream<Request, Context>(
  handle: (request: Request, context: Context) => AsyncIterable<object>,
): Handler<Context> {
  return { kind: 'server_stream', handle: (request, context) => handle(request as Request, context) }
}

export function clientStream<Request, Context>(
  handle: (messages: AsyncIterable<Request>, context: Context) => Promise<object>,
): Handler<Context> {
  return {
    kind: 'client_stream',
    handle: (messages, context) => handle(messages as AsyncIterable<Request>, context),
  }
}

export function conversation<Request, Context>(
  handle: (messages: AsyncIterable<Request>, context: Context) => AsyncIterable<object>,
): Handler<Context> {
  return {
    kind: 'conversation',
    handle: (messages, context) => handle(messages as AsyncIterable<Request>, context),
  }
}
