import { createInterface } from 'node:readline'
import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { DockerEngine, EngineCall } from './docker-engine.js'
import { PullProgress } from './pull-progress.js'

export interface Image {
  /** Digest of its configuration, which names its content; `sha256:…`. */
  readonly digest: string
  /** Its USER: empty, `name`, `uid`, each with `:group` or not. */
  readonly user: string
  /** Its ENV says who USER is. */
  readonly namesUser: boolean
}

export interface PullOptions {
  readonly image: string
  readonly progress: (line: string) => void
  readonly signal: AbortSignal
}

/** The image as the engine has it, pulled first when it has none. */
export async function ensureImage(engine: DockerEngine, options: PullOptions, clock: Clock): Promise<Image> {
  const present = await findImage(engine, options)
  if (present) return present
  await pull(engine, options, clock)
  const pulled = await findImage(engine, options)
  if (!pulled) throw missing(options.image, 'it was pulled and is not there')
  return pulled
}

async function findImage(engine: DockerEngine, options: PullOptions): Promise<Image | undefined> {
  const { image, signal } = options
  if (!/^[\w][\w.:/@-]*$/.test(image))
    throw new RpcError('INVALID_ARGUMENT', `${JSON.stringify(image)} is no name of an image.`)
  const answer = await engine.call({ method: 'GET', path: `/images/${image}/json`, accepted: [404], signal })
  if (answer.status === 404) return undefined
  const { Id, Config } = answer.body as {
    Id: string
    Config?: { User?: string; Env?: readonly string[] | null }
  }
  const namesUser = (Config?.Env ?? []).some((variable) => variable.startsWith('USER='))
  return { digest: Id, user: Config?.User ?? '', namesUser }
}

async function pull(engine: DockerEngine, options: PullOptions, clock: Clock): Promise<void> {
  const { image, signal } = options
  options.progress(`Pulling ${image}`)
  const query = pullQuery(image)
  const call: EngineCall = { method: 'POST', path: '/images/create', query, signal }
  const { stream } = await engine.open(call).catch((error: unknown) => {
    throw refused(image, error)
  })
  const progress = new PullProgress(image, clock)
  try {
    for await (const line of createInterface({ input: stream })) {
      const { error } = progress.take(JSON.parse(line))
      if (error !== undefined) throw refused(image, new RpcError('INTERNAL', error))
      const report = progress.due()
      if (report !== undefined) options.progress(report)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof RpcError) throw error
    throw new RpcError('UNAVAILABLE', `The Docker Engine broke off pulling ${image}.`, { cause: error })
  }
  options.progress(`Pulled ${image}`)
}

/** Without a tag the engine would pull every tag there is. */
export function pullQuery(image: string): Readonly<Record<string, string>> {
  if (image.includes('@')) return { fromImage: image }
  const tagAt = image.indexOf(':', image.lastIndexOf('/') + 1)
  if (tagAt < 0) return { fromImage: image, tag: 'latest' }
  return { fromImage: image.slice(0, tagAt), tag: image.slice(tagAt + 1) }
}

/** What registries and the engine say of an image that is not there, or not for everybody. */
const absence = /not found|manifest unknown|does not exist|access denied|name unknown|no such image/i

function refused(image: string, error: unknown): unknown {
  if (!(error instanceof RpcError) || error.code === 'UNAVAILABLE') return error
  const said = error.message.replace(/^The Docker Engine refuses: /, '')
  if (error.code === 'NOT_FOUND' || absence.test(said)) return missing(image, said)
  return new RpcError('FAILED_PRECONDITION', `The image ${image} could not be pulled: ${said}`, {
    cause: error,
  })
}

function missing(image: string, said: string): RpcError {
  return new RpcError('NOT_FOUND', `The image ${image} does not exist, or is not for everybody: ${said}`)
}
