import { Agent, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import Docker from 'dockerode'
import { messageOf, RpcError } from '../../common/errors.js'

export interface EngineCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Something to send as it is, such as a tar archive. */
  readonly file?: Buffer
  /** Statuses besides 2xx that are answers and no errors. */
  readonly accepted?: readonly number[]
  readonly signal?: AbortSignal | undefined
}

export interface EngineAnswer {
  readonly status: number
  /** The parsed JSON of the answer; undefined without one. */
  readonly body: unknown
}

/**
 * The Docker Engine's API over its socket. Answers are read as streams, since dockerode's own reading never settles when
 * the engine dies in the middle of one (as it does in every wait). Trouble comes as RpcError: UNAVAILABLE when the engine
 * is away, otherwise the status's counterpart with the engine's own sentence.
 */
export class DockerEngine {
  readonly #docker: Docker
  readonly #connections: Agent

  constructor(settings: { readonly socketPath: string }) {
    this.#connections = new Agent({ keepAlive: true, maxFreeSockets: 16 })
    const options = { socketPath: settings.socketPath, agent: this.#connections }
    this.#docker = new Docker(options)
  }

  async call(call: EngineCall): Promise<EngineAnswer> {
    const { stream, status } = await this.open(call)
    const content = await text(stream).catch((error: unknown) => {
      throw engineTrouble(error, call)
    })
    return { status, body: content === '' ? undefined : parse(content, call) }
  }

  /** For answers that are read piece by piece, or are no JSON. */
  open(call: EngineCall): Promise<{ readonly stream: NodeJS.ReadableStream; readonly status: number }> {
    const statusCodes: Record<number, true> = { 200: true, 201: true, 204: true }
    for (const status of call.accepted ?? []) statusCodes[status] = true
    return new Promise((resolve, reject) => {
      this.#docker.modem.dial(
        {
          path: `${call.path}?`,
          method: call.method,
          options: { _query: call.query ?? {}, _body: call.body ?? {} },
          isStream: true,
          statusCodes,
          ...(call.file && { file: call.file }),
          ...(call.signal && { abortSignal: call.signal }),
        },
        (error, answer) => {
          if (error) return reject(engineTrouble(error, call))
          const stream = answer as IncomingMessage
          resolve({ stream, status: stream.statusCode ?? 0 })
        },
      )
    })
  }
}

function parse(content: string, call: EngineCall): unknown {
  try {
    return JSON.parse(content)
  } catch (error) {
    throw engineTrouble(error, call)
  }
}

/** HTTP statuses of the engine's API (https://docs.docker.com/reference/api/engine/) and what they mean here. */
const codes = {
  400: 'INVALID_ARGUMENT',
  401: 'PERMISSION_DENIED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'FAILED_PRECONDITION',
} as const

function engineTrouble(error: unknown, call: EngineCall): unknown {
  if (call.signal?.aborted) return call.signal.reason
  if (error instanceof RpcError) return error
  const { statusCode, json } = error as { statusCode?: number; json?: unknown }
  if (statusCode === undefined || statusCode === 503)
    return new RpcError('UNAVAILABLE', `The Docker Engine does not answer: ${messageOf(error)}.`, {
      cause: error,
    })
  const code = Object.hasOwn(codes, statusCode) ? codes[statusCode as keyof typeof codes] : 'INTERNAL'
  return new RpcError(code, `The Docker Engine refuses: ${engineSentence(error, json)}`, { cause: error })
}

function engineSentence(error: unknown, json: unknown): string {
  const { message } = (json ?? {}) as { message?: unknown }
  if (typeof message === 'string') return message
  return messageOf(error)
    .replace(/^\(HTTP code \d+\) .*? - /, '')
    .trim()
}
