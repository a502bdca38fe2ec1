import { resolve } from 'node:path'
import type { PortableToken } from '../../common/portable-token.js'
import { type ClientConfig, type Context, currentContext, readConfig } from '../config.js'
import { Failure } from '../failure.js'
import type { ClientSettings } from '../settings.js'
import { tokenIn } from './token-text.js'

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
const nowhere =
  'SPELL_TOKEN does not say where its cluster is. Give all that "spell access-tokens create" printed (spell1.…), or set SPELL_BASE_URL and SPELL_CA_HASH as well.'

/**
 * From the context, over which SPELL_TOKEN and SPELL_BASE_URL go. An access token says itself where its cluster is, and it
 * is sent nowhere else unless somebody says so. Throws Failure when there is nobody to be.
 */
export async function findLogin(settings: ClientSettings, contextName: string | undefined): Promise<Login> {
  const config = await readConfig(settings.directory)
  const context = currentContext(config, contextName)
  const given = settings.token === undefined ? undefined : tokenIn(settings.token)
  const kept = context?.token || config.token
  const token = given?.secret ?? (kept && tokenIn(kept).secret)
  if (!token) throw new Failure('error', missing)
  if (settings.baseUrl !== undefined) {
    const addresses = addressesIn(settings.baseUrl)
    const known = contextAt(config, addresses) ?? context
    const ca = await authorityFor({ settings, config, given, known, addresses })
    return { contextName: known?.name, addresses, ca, token, config }
  }
  if (given && given.addresses.length > 0 && contextName === undefined) {
    const { addresses } = given
    const known = contextAt(config, addresses)
    const ca = await authorityFor({ settings, config, given, known, addresses })
    return { contextName: known?.name, addresses, ca, token, config }
  }
  if (!context || context.addresses.length === 0) throw new Failure('error', given ? nowhere : missing)
  const { name, addresses, ca } = context
  return { contextName: name, addresses, ca, token, config }
}

/** `host:port` of each of what people write with commas between them. */
export function addressesIn(written: string): readonly string[] {
  return [...new Set(written.split(',').map((each) => addressOf(each.trim())))]
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

/** The context that one of these addresses is of. */
export function contextAt(config: ClientConfig, addresses: readonly string[]): Context | undefined {
  return config.contexts.find((context) => context.addresses.some((each) => addresses.includes(each)))
}

interface Question {
  readonly settings: ClientSettings
  readonly config: ClientConfig
  readonly given: PortableToken | undefined
  readonly known: Context | undefined
  readonly addresses: readonly string[]
}

/** The authority to trust: what the environment says, else the token, else a context; else those that the system trusts. */
async function authorityFor({ settings, config, given, known, addresses }: Question): Promise<string> {
  const { caFile, caHash } = settings
  const hash = caHash ?? (given?.caSha256 || undefined)
  if (caFile === undefined && hash === undefined) return known?.ca ?? ''
  // Loaded only where there is something to compare.
  const { authorityByHash, hasHash, readAuthority } = await import('./authority.js')
  if (caFile !== undefined) return readAuthority(resolve(caFile))
  if (hash === undefined) return known?.ca ?? ''
  const kept = config.contexts.find(({ ca }) => hasHash(ca, hash))
  return kept?.ca ?? (await authorityByHash(addresses, hash))
}
