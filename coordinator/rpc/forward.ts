import type {
  CallOptions,
  Client,
  Metadata,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
} from '@grpc/grpc-js'
import { maxMessageBytes } from '../../proto/channel.js'
import { channelOptions, secureClient } from '../../proto/secure-client.js'
import type { Method } from '../../proto/wire.js'
import type { RawCall } from './call.js'
import { writeTo } from './streams.js'

// A call that reached a coordinator which doesn't lead goes on to the leader as it came: the same bytes, the same token,
// what is left of its deadline. Nothing is decoded. A call is forwarded once: two coordinators that each believe the
// other leads must not play ball with it.

const forwardedMark = 'spell-forwarded'

export function wasForwarded(metadata: Metadata): boolean {
  return metadata.get(forwardedMark).length > 0
}

/** Whom the coordinator that passed the call on had it from; undefined: it was not passed on. */
export function forwardedFor(metadata: Metadata): string | undefined {
  const [address] = metadata.get(forwardedMark)
  return typeof address === 'string' ? address : undefined
}

/** The way to the leader's address for users. Keeps one connection, to the newest. */
export class LeaderClients {
  readonly #ca: string
  #address = ''
  #client: Client | undefined

  constructor(caPem: string) {
    this.#ca = caPem
  }

  to(address: string): Client {
    if (this.#client && this.#address === address) return this.#client
    // Calls under way on the connection before end by themselves; closing only keeps new ones away.
    this.#client?.close()
    this.#address = address
    this.#client = secureClient(
      address,
      { ca: this.#ca },
      // Coordinators reach one another directly.
      { ...channelOptions(10_000, maxMessageBytes), 'grpc.enable_http_proxy': 0 },
    )
    return this.#client
  }

  close(): void {
    this.#client?.close()
    this.#client = undefined
  }
}

const asIs = (bytes: Buffer): Buffer => bytes

function passOn(call: RawCall): { readonly metadata: Metadata; readonly options: CallOptions } {
  const metadata = call.metadata.clone()
  metadata.remove('user-agent')
  metadata.set(forwardedMark, call.getPeer())
  return { metadata, options: { deadline: call.getDeadline() } }
}

/** Resolves with the answer's bytes; rejects with the leader's status. */
export function forwardUnary(
  client: Client,
  method: Method<unknown, unknown>,
  call: ServerUnaryCall<Buffer, Buffer>,
  signal: AbortSignal,
): Promise<Buffer> {
  const { metadata, options } = passOn(call)
  return new Promise((resolve, reject) => {
    const onward = client.makeUnaryRequest(
      method.path,
      asIs,
      asIs,
      call.request,
      metadata,
      options,
      (error, bytes) => {
        call.off('cancelled', cancel)
        signal.removeEventListener('abort', cancel)
        if (error) reject(error)
        else resolve(bytes ?? Buffer.alloc(0))
      },
    )
    const cancel = () => onward.cancel()
    call.on('cancelled', cancel)
    signal.addEventListener('abort', cancel, { once: true })
  })
}

/** Rejects with the leader's status; resolves once everything has been written. */
export async function forwardServerStream(
  client: Client,
  method: Method<unknown, unknown>,
  call: ServerWritableStream<Buffer, Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { metadata, options } = passOn(call)
  const onward = client.makeServerStreamRequest(method.path, asIs, asIs, call.request, metadata, options)
  await withCancel(signal, onward, async () => {
    for await (const bytes of onward) await writeTo(call, bytes as Buffer, signal)
  })
}

export function forwardClientStream(
  client: Client,
  method: Method<unknown, unknown>,
  call: ServerReadableStream<Buffer, Buffer>,
  signal: AbortSignal,
): Promise<Buffer> {
  const { metadata, options } = passOn(call)
  return new Promise((resolve, reject) => {
    const over = new AbortController()
    const onward = client.makeClientStreamRequest(
      method.path,
      asIs,
      asIs,
      metadata,
      options,
      (error, bytes) => {
        over.abort()
        if (error) reject(error)
        else resolve(bytes ?? Buffer.alloc(0))
      },
    )
    const sending = withCancel(signal, onward, async () => {
      for await (const bytes of call.iterator({ destroyOnReturn: false }))
        await writeTo(onward, bytes, over.signal)
      onward.end()
    })
    // The answer may come before all is sent; then it is the answer that counts.
    sending.catch((error) => (over.signal.aborted ? undefined : reject(error)))
  })
}

export async function forwardConversation(
  client: Client,
  method: Method<unknown, unknown>,
  call: ServerDuplexStream<Buffer, Buffer>,
  signal: AbortSignal,
): Promise<void> {
  const { metadata, options } = passOn(call)
  const onward = client.makeBidiStreamRequest(method.path, asIs, asIs, metadata, options)
  await withCancel(signal, onward, async () => {
    const upwards = async () => {
      for await (const bytes of call.iterator({ destroyOnReturn: false }))
        await writeTo(onward, bytes, signal)
      onward.end()
    }
    upwards().catch(() => onward.cancel())
    for await (const bytes of onward) await writeTo(call, bytes as Buffer, signal)
  })
}

async function withCancel(
  signal: AbortSignal,
  onward: { cancel(): void; on(event: 'error', listener: () => void): unknown },
  work: () => Promise<void>,
): Promise<void> {
  const cancel = () => onward.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  onward.on('error', () => undefined)
  try {
    await work()
  } catch (error) {
    cancel()
    throw error
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
