import { RpcError } from '../common/errors.js'
import { Channel, type Upload } from '../proto/channel.js'
import { connectionTrouble, retryAfterMs } from '../proto/rpc-error.js'
import { method } from '../proto/wire.js'
import { currentContext } from './config.js'
import { addressesOf, findLogin, type Login } from './login/find-login.js'
import { announceSlow } from './output/announce-slow.js'
import type { World } from './world.js'

export interface CallSettings {
  /** Of one try, in milliseconds. */
  readonly deadlineMs?: number
  /** For how long a call that found nobody is made again, in milliseconds. */
  readonly patienceMs?: number
  readonly signal?: AbortSignal
}

const usualDeadlineMs = 30_000
/** Long enough for another coordinator to take over, or for one to be started again. */
const usualPatienceMs = 10_000
const retryPauseMs = 250

/** The cluster as the commands see it: calls by name, tried again while a leader is being found. */
export class Api {
  readonly login: Login
  readonly #world: World
  readonly #channel: Channel

  constructor(world: World, login: Login) {
    this.#world = world
    this.login = login
    this.#channel = new Channel({
      addresses: login.addresses,
      tls: { ca: login.ca },
      ...(login.token !== '' && { token: login.token }),
      clock: world.clock,
    })
  }

  /** `call<Run>('Runs', 'Get', { runId: 7 })`. Only calls that are safe to repeat may be made with patience. */
  async call<Response>(
    service: string,
    name: string,
    request: object,
    settings: CallSettings = {},
  ): Promise<Response> {
    const quiet = announceSlow(this.#world, `Waiting for ${addressesOf(this.login)}`)
    try {
      return await this.#patiently<Response>(service, name, request, settings, quiet)
    } finally {
      quiet.end()
    }
  }

  async *stream<Response>(
    service: string,
    name: string,
    request: object,
    signal?: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    try {
      yield* this.#channel.serverStream<object, Response>(
        method(service, name),
        request,
        signal ? { signal } : {},
      )
    } catch (error) {
      throw this.#named(error)
    }
  }

  async upload<Response>(service: string, name: string, signal: AbortSignal): Promise<Upload<Response>> {
    return await this.#channel.clientStream<object, Response>(method(service, name), { signal })
  }

  /** Begins to connect, for a command that has something else to do before its first call. */
  begin(): void {
    this.#channel.begin()
  }

  close(): void {
    this.#channel.close()
  }

  async #patiently<Response>(
    service: string,
    name: string,
    request: object,
    settings: CallSettings,
    quiet: { why(reason: string): void },
  ): Promise<Response> {
    const clock = this.#world.clock
    const giveUpAt = clock.monotonic() + (settings.patienceMs ?? usualPatienceMs)
    for (;;) {
      try {
        return await this.#channel.call<object, Response>(method(service, name), request, {
          deadlineMs: settings.deadlineMs ?? usualDeadlineMs,
          ...(settings.signal ? { signal: settings.signal } : {}),
        })
      } catch (error) {
        const named = this.#named(error)
        if (!worthRepeating(named, settings)) throw named
        const pauseMs = retryAfterMs(named) ?? retryPauseMs
        if (clock.monotonic() + pauseMs > giveUpAt) throw named
        quiet.why(named.message)
        await clock.sleep(pauseMs, settings.signal)
      }
    }
  }

  /** Says whom we could not reach; gRPC only says why. */
  #named(error: unknown): unknown {
    if (!(error instanceof RpcError)) return error
    const where = addressesOf(this.login)
    if (error.code === 'DEADLINE_EXCEEDED') {
      return new RpcError(error.code, `No answer from ${where} in time.`, {
        cause: error,
        trailers: error.trailers,
      })
    }
    const trouble = connectionTrouble(error)
    if (trouble === undefined) return error
    const reason = trouble + this.#whomToTrust(trouble) + this.#wayBack()
    return new RpcError(error.code, `Could not reach a coordinator at ${where}: ${reason}`, {
      cause: error,
      trailers: error.trailers,
    })
  }

  /** Without an authority only those of the system are believed, and a cluster has one of its own. */
  #whomToTrust(trouble: string): string {
    if (this.login.ca !== '' || !/self[- ]signed|unable to (?:get|verify)/i.test(trouble)) return ''
    return '. Say which certificate authority is the right one: SPELL_CA_HASH or SPELL_CA_FILE'
  }

  /** A cluster of this machine may just have been taken down. */
  #wayBack(): string {
    const dir = currentContext(this.login.config, this.login.contextName)?.dir
    return dir === undefined ? '' : `. If it is down: "spell cluster up --dir ${dir}".`
  }
}

export async function connect(world: World, contextName: string | undefined): Promise<Api> {
  return new Api(world, await findLogin(world.settings, contextName))
}

function worthRepeating(error: unknown, settings: CallSettings): error is RpcError {
  if (!(error instanceof RpcError)) return false
  if (error.code === 'UNAVAILABLE') return !isAboutTrust(error.message)
  return error.code === 'DEADLINE_EXCEEDED' && settings.patienceMs !== undefined
}

/** No patience helps against a certificate that is not the cluster's. */
function isAboutTrust(message: string): boolean {
  return /certificate|altname|self[- ]signed|wrong version number/i.test(message)
}
