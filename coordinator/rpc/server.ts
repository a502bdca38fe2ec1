import {
  type Client,
  Server,
  type ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js'
import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { maxMessageBytes } from '../../proto/channel.js'
import type { Method } from '../../proto/wire.js'
import { type Handler, type Handlers, LiveCall, type RawCall } from './call.js'
import { forwardClientStream, forwardConversation, forwardServerStream, forwardUnary } from './forward.js'
import { statusFrom } from './status.js'
import { decodeOrRefuse, messagesOf, writeTo } from './streams.js'

/** What is to become of a call: it is answered here for whoever `context` says, or goes to the leader as it came. */
export type Admission<Context> =
  | { readonly kind: 'here'; readonly context: Context }
  | { readonly kind: 'forward'; readonly client: Client }

export interface EndedCall<Context> {
  readonly method: Method<unknown, unknown>
  /** A gRPC status. */
  readonly code: number
  readonly milliseconds: number
  /** Missing for a call that was refused or passed on. */
  readonly context: Context | undefined
}

export interface EndpointParts<Context> {
  /** Each must have a handler. */
  readonly methods: readonly Method<unknown, unknown>[]
  readonly handlers: Handlers<Context>
  /** Called once for each call, before its first message is decoded. Throws RpcError to refuse it. */
  admit(method: Method<unknown, unknown>, call: LiveCall): Admission<Context>
  /** Whether a call of the method goes on when this coordinator no longer leads; none does when left out. */
  outlivesLead?(method: Method<unknown, unknown>): boolean
  /** After each call. */
  observe?(call: EndedCall<Context>): void
  readonly log: Log
  readonly clock: Clock
}

/** One listening gRPC server. Messages stay bytes until a handler here wants them. */
export class Endpoint<Context> {
  readonly #parts: EndpointParts<Context>
  readonly #live = new Set<LiveCall>()
  /** Those that outlive the lead. */
  readonly #lasting = new Set<LiveCall>()
  readonly server: Server
  /** With the port that it got. */
  #address: string | undefined

  constructor(parts: EndpointParts<Context>) {
    this.#parts = parts
    this.server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.max_concurrent_streams': 100_000,
      'grpc.enable_channelz': 0,
    })
    for (const method of parts.methods) this.#register(method)
  }

  /** Resolves with the port; `127.0.0.1:0` takes a free one. */
  listen(address: string, credentials: ServerCredentials): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.bindAsync(address, credentials, (error, port) => {
        if (error)
          reject(
            new RpcError('UNAVAILABLE', `Cannot listen on ${address}: ${error.message}`, { cause: error }),
          )
        else {
          this.#address = address.replace(/:\d+$/, `:${port}`)
          resolve(port)
        }
      })
    })
  }

  /** Ends all streams that are answered or forwarded here, but those that outlive the lead, with this reason. */
  abortStreams(reason: Error): void {
    for (const call of [...this.#live]) call.abort(reason)
  }

  /** Takes no new calls, gives those under way `graceMs`, then ends them, and waits as long again for their connections. */
  async close(graceMs: number): Promise<void> {
    // Before the shutdown: a connection that is being closed by that is left alone. And forceShutdown() ends none where
    // channelz is off.
    if (this.#address !== undefined) this.server.drain(this.#address, graceMs)
    const over = new Promise<void>((resolve) => this.server.tryShutdown(() => resolve()))
    const reason = new RpcError('UNAVAILABLE', 'This coordinator is being shut down.')
    this.abortStreams(reason)
    for (const call of [...this.#lasting]) call.abort(reason)
    // One whose handshake is not over yet is not known, and would be there for as long as its client likes.
    await overOrLate(2 * graceMs, over)
  }

  #register(method: Method<unknown, unknown>): void {
    const handler = this.#parts.handlers[`${method.service}/${method.name}`]
    if (!handler) throw new Error(`Invariant broken: nothing answers ${method.path}`)
    const serve = this.#serve(method, handler)
    this.server.register(method.path, serve.handle, asIs, asIs, serve.type)
  }

  #serve(method: Method<unknown, unknown>, handler: Handler<Context>) {
    switch (handler.kind) {
      case 'unary':
        return {
          type: 'unary',
          handle: (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
            this.#answer(method, call, answer, (admission, live) =>
              admission.kind === 'forward'
                ? forwardUnary(admission.client, method, call, live.signal)
                : handler
                    .handle(decodeOrRefuse(method.request.decode, call.request), admission.context)
                    .then(method.response.encode),
            ),
        }
      case 'client_stream':
        return {
          type: 'clientStream',
          handle: (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>) =>
            this.#answer(method, call, answer, (admission, live) =>
              admission.kind === 'forward'
                ? forwardClientStream(admission.client, method, call, live.signal)
                : handler
                    .handle(messagesOf(call, method.request.decode), admission.context)
                    .then(method.response.encode),
            ),
        }
      case 'server_stream':
        return {
          type: 'serverStream',
          handle: (call: ServerWritableStream<Buffer, Buffer>) =>
            this.#stream(method, call, (admission, live) =>
              admission.kind === 'forward'
                ? forwardServerStream(admission.client, method, call, live.signal)
                : writeAll(
                    call,
                    method,
                    handler.handle(decodeOrRefuse(method.request.decode, call.request), admission.context),
                    live.signal,
                  ),
            ),
        }
      case 'conversation':
        return {
          type: 'bidi',
          handle: (call: ServerDuplexStream<Buffer, Buffer>) =>
            this.#stream(method, call, (admission, live) =>
              admission.kind === 'forward'
                ? forwardConversation(admission.client, method, call, live.signal)
                : writeAll(
                    call,
                    method,
                    handler.handle(messagesOf(call, method.request.decode), admission.context),
                    live.signal,
                  ),
            ),
        }
    }
  }

  /** For methods that answer once. */
  #answer(
    method: Method<unknown, unknown>,
    call: RawCall,
    answer: sendUnaryData<Buffer>,
    work: (admission: Admission<Context>, live: LiveCall) => Promise<Buffer>,
  ): void {
    const current = this.#begin(method, call)
    const fail = (error: unknown) => {
      const status = statusFrom(current.live.reasonOf(error), this.#parts.log)
      answer(status, null)
      this.#end(current, status.code)
    }
    try {
      work(this.#admit(current), current.live).then((bytes) => {
        answer(null, bytes)
        this.#end(current, 0)
      }, fail)
    } catch (error) {
      fail(error)
    }
  }

  /** For methods that answer with a stream. */
  #stream(
    method: Method<unknown, unknown>,
    call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
    work: (admission: Admission<Context>, live: LiveCall) => Promise<void>,
  ): void {
    const current = this.#begin(method, call)
    const fail = (error: unknown) => {
      const status = statusFrom(current.live.reasonOf(error), this.#parts.log)
      if (!call.cancelled) call.emit('error', status)
      this.#end(current, status.code)
    }
    try {
      work(this.#admit(current), current.live).then(() => {
        // A handler may end quietly when it was told to; its caller still hears why.
        if (current.live.wasAborted) return fail(undefined)
        call.end()
        this.#end(current, 0)
      }, fail)
    } catch (error) {
      fail(error)
    }
  }

  #begin(method: Method<unknown, unknown>, call: RawCall): CurrentCall<Context> {
    const begunMs = this.#parts.clock.monotonic()
    const among = this.#parts.outlivesLead?.(method) ? this.#lasting : this.#live
    return { method, live: new LiveCall(call, among), begunMs, context: undefined }
  }

  #admit(current: CurrentCall<Context>): Admission<Context> {
    const admission = this.#parts.admit(current.method, current.live)
    if (admission.kind === 'here') current.context = admission.context
    return admission
  }

  #end({ method, live, begunMs, context }: CurrentCall<Context>, code: number): void {
    live.ended()
    const milliseconds = this.#parts.clock.monotonic() - begunMs
    this.#parts.observe?.({ method, code, milliseconds, context })
  }
}

async function overOrLate(ms: number, over: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([over, late])
  clearTimeout(timer)
}

interface CurrentCall<Context> {
  readonly method: Method<unknown, unknown>
  readonly live: LiveCall
  readonly begunMs: number
  /** Once it is admitted and answered here. */
  context: Context | undefined
}

const asIs = (bytes: Buffer): Buffer => bytes

async function writeAll(
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  method: Method<unknown, unknown>,
  messages: AsyncIterable<object>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) await writeTo(call, method.response.encode(message), signal)
}
