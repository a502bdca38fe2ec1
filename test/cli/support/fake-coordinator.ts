import {
  status as grpcStatus,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
} from '@grpc/grpc-js'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { type RpcError, status } from '../../../common/errors.js'
import { allMethods } from '../../../proto/wire.js'

/** Answers a unary call with a message or several (a stream), or throws RpcError. Called for each call. */
export type Answer = (request: never, call: FakeCall) => object | Promise<object> | AsyncIterable<object>

export interface FakeCall {
  readonly token: string
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal
}

export interface FakeCoordinator {
  readonly address: string
  readonly ca: string
  /** By `Runs/Submit`; may be changed at any time. */
  readonly answers: Record<string, Answer>
  /** Every request that came, in order. */
  readonly requests: { readonly method: string; readonly request: unknown }[]
  requestsOf<Request>(method: string): readonly Request[]
  /** Cuts all connections, as a crash would; `listen` on the same port brings it back. */
  crash(): Promise<void>
  listen(): Promise<void>
}

/** A gRPC server over TLS that says what a test wants it to say. The protocol is the real one. */
export async function fakeCoordinator(answers: Record<string, Answer> = {}): Promise<FakeCoordinator> {
  const authority = await makeAuthority('test')
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: 'coordinator:test',
    dnsNames: ['localhost', 'cluster.test'],
    ipAddresses: ['127.0.0.1'],
  })
  const chain = Buffer.from(`${certificatePem}\n${authority.certificatePem}`)
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: chain, private_key: Buffer.from(keyPem) },
  ])
  const requests: { method: string; request: unknown }[] = []
  let port = 0
  let server: Server | undefined
  const listen = async () => {
    server = makeServer(answers, requests)
    const running = server
    port = await new Promise<number>((resolve, reject) => {
      running.bindAsync(`127.0.0.1:${port}`, credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      )
    })
  }
  await listen()
  return {
    get address() {
      return `127.0.0.1:${port}`
    },
    ca: authority.certificatePem,
    answers,
    requests,
    requestsOf: <Request>(method: string) =>
      requests.filter((each) => each.method === method).map((each) => each.request as Request),
    async crash() {
      server?.forceShutdown()
      server = undefined
    },
    listen,
  }
}

function makeServer(
  answers: Record<string, Answer>,
  requests: { method: string; request: unknown }[],
): Server {
  const server = new Server()
  const asIs = (bytes: Buffer) => bytes
  for (const method of allMethods()) {
    const name = `${method.service}/${method.name}`
    const ask = (bytes: Buffer, metadata: Metadata, signal: AbortSignal) => {
      const request = method.request.decode(bytes)
      requests.push({ method: name, request })
      const answer = answers[name]
      if (!answer) throw new Error(`the test has no answer for ${name}`)
      const token = String(metadata.get('authorization')[0] ?? '').replace('Bearer ', '')
      return answer(request as never, { token, signal })
    }
    if (method.requestStream) {
      server.register(method.path, uploadHandler(ask, method.response.encode), asIs, asIs, 'clientStream')
    } else if (method.responseStream) {
      server.register(method.path, streamHandler(ask, method.response.encode), asIs, asIs, 'serverStream')
    } else {
      server.register(method.path, unaryHandler(ask, method.response.encode), asIs, asIs, 'unary')
    }
  }
  return server
}

type Ask = (
  bytes: Buffer,
  metadata: Metadata,
  signal: AbortSignal,
) => object | Promise<object> | AsyncIterable<object>
type Encode = (value: object) => Buffer

// biome-ignore lint/suspicious/noExplicitAny: grpc-js has a type for each kind of handler and none for "one of them".
type Handle = any

function unaryHandler(ask: Ask, encode: Encode): Handle {
  return async (
    call: { request: Buffer; metadata: Metadata },
    done: (error: object | null, value?: Buffer) => void,
  ) => {
    try {
      done(null, encode((await ask(call.request, call.metadata, new AbortController().signal)) as object))
    } catch (error) {
      done(statusOf(error))
    }
  }
}

function streamHandler(ask: Ask, encode: Encode): Handle {
  return async (call: ServerWritableStream<Buffer, Buffer>) => {
    const gone = new AbortController()
    call.on('cancelled', () => gone.abort())
    try {
      for await (const message of ask(call.request, call.metadata, gone.signal) as AsyncIterable<object>) {
        if (!call.write(encode(message)))
          await new Promise((resolve) => call.once('drain', () => resolve(undefined)))
      }
      call.end()
    } catch (error) {
      call.emit('error', statusOf(error))
    }
  }
}

function uploadHandler(ask: Ask, encode: Encode): Handle {
  return async (
    call: AsyncIterable<Buffer> & { metadata: Metadata },
    done: (error: object | null, value?: Buffer) => void,
  ) => {
    try {
      let answer: object = {}
      for await (const bytes of call)
        answer = await (ask(bytes, call.metadata, new AbortController().signal) as object)
      done(null, encode(answer))
    } catch (error) {
      done(statusOf(error))
    }
  }
}

function statusOf(error: unknown): object {
  const { code, message, trailers } = error as RpcError
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(trailers ?? {})) metadata.set(name, value)
  return { code: status[code] ?? grpcStatus.INTERNAL, details: message, metadata }
}
