import { type ClientConfig, type Context, currentContext, readConfig } from '../config.js'
import { Failure } from '../failure.js'
import type { ClientSettings } from '../settings.js'

/** Where the cluster is and who calls. */
export interface Login {
  /** The context that it comes from, where it comes from one. */
  readonly contextName: string | undefined
  readonly addresses: readonly string[]
  /** PEM; empty: the system's own authorities. */
  readonly ca: string
  readonly token: string
  readonly config: ClientConfig
}

const missing = 'No login session found. Please log in ("spell login").'

/** From the context, over which SPELL_TOKEN and SPELL_BASE_URL go. Throws Failure when there is nobody to be. */
export async function findLogin(settings: ClientSettings, contextName: string | undefined): Promise<Login> {
  const config = await readConfig(settings.directory)
  const context = currentContext(config, contextName)
  const token = settings.token ?? (context?.token || config.token)
  if (settings.baseUrl !== undefined) {
    const address = addressOf(settings.baseUrl)
    const known = contextAt(config, address) ?? context
    if (!token) throw new Failure('error', missing)
    return { contextName: known?.name, addresses: [address], ca: known?.ca ?? '', token, config }
  }
  if (!context || context.addresses.length === 0 || !token) throw new Failure('error', missing)
  return { contextName: context.name, addresses: context.addresses, ca: context.ca, token, config }
}

/** `host:port` of what people write: `https://host:port/`, `host:port`, `host`. */
export function addressOf(written: string): string {
  const bare = written.replace(/^(https|grpcs):\/\//, '').replace(/\/+$/, '')
  const port = /:(\d+)$/.exec(bare)?.[1]
  const badPort = port !== undefined && (Number(port) < 1 || Number(port) > 65_535)
  if (/^[a-z]+:\/\//i.test(bare) || /[/\s@]/.test(bare) || bare === '' || badPort) {
    throw new Failure(
      'configuration',
      `"${written}" is not an address: it must be host:port or https://host:port.`,
    )
  }
  return port === undefined ? `${bare}:7000` : bare
}

export function addressesOf(login: Pick<Login, 'addresses'>): string {
  return login.addresses.join(', ')
}

function contextAt(config: ClientConfig, address: string): Context | undefined {
  return config.contexts.find((context) => context.addresses.includes(address))
}
