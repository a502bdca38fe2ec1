import { once } from 'node:events'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { messageOf } from '../../common/errors.js'

const patienceMs = 3_000

export type EngineState =
  | { readonly kind: 'answers'; readonly version: string }
  | { readonly kind: 'silent'; readonly reason: string }

/** Whether the Docker Engine behind this socket can be used by this user, and if not, why. */
export async function lookForEngine(socketPath: string): Promise<EngineState> {
  try {
    const response = await engineRequest(socketPath, {
      path: '/version',
      signal: AbortSignal.timeout(patienceMs),
    })
    const answer = JSON.parse(await textOf(response)) as { readonly Version?: string }
    return { kind: 'answers', version: answer.Version ?? 'unknown' }
  } catch (error) {
    return { kind: 'silent', reason: reasonOf(error, socketPath) }
  }
}

/** One call of the Engine's API (https://docs.docker.com/reference/api/engine/). `body` is sent as it is read. */
export async function engineRequest(
  socketPath: string,
  options: RequestOptions,
  body?: AsyncIterable<Uint8Array>,
): Promise<IncomingMessage> {
  const call = request({ socketPath, ...options })
  const answered = once(call, 'response') as Promise<[IncomingMessage]>
  answered.catch(() => undefined)
  if (body) for await (const chunk of body) if (!call.write(chunk)) await once(call, 'drain')
  call.end()
  return (await answered)[0]
}

export async function textOf(response: IncomingMessage): Promise<string> {
  return (await response.setEncoding('utf8').toArray()).join('')
}

function reasonOf(error: unknown, socketPath: string): string {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOENT') return `there is no ${socketPath}`
  if (code === 'ECONNREFUSED') return `nothing answers at ${socketPath}`
  if (code === 'EACCES' || code === 'EPERM')
    return `this user may not use ${socketPath} (the group "docker" may)`
  if (code === 'ABORT_ERR') return `nothing answered at ${socketPath} within ${patienceMs / 1000} s`
  return messageOf(error)
}
