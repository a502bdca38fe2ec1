import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { grpcProxyVariables, type HttpProxy, proxyFor } from '../common/proxy.js'

type Variables = Readonly<Record<string, string | undefined>>

/** What the environment of the program says. Empty variables count as missing. */
export interface ClientSettings {
  /** The client's directory, `~/.spell` unless SPELL_DIR names another. */
  readonly directory: string
  /** SPELL_TOKEN: instead of the context's token; may say where its cluster is (common/portable-token.ts). */
  readonly token: string | undefined
  /** SPELL_BASE_URL: `host:port` or `https://host:port`, several with commas, instead of the context's addresses. */
  readonly baseUrl: string | undefined
  /** SPELL_CA_HASH: SHA-256 of the authority to trust. */
  readonly caHash: string | undefined
  /** SPELL_CA_FILE: the authority to trust, in PEM. */
  readonly caFile: string | undefined
  /** SPELL_OWNER: instead of `owner` in the config. */
  readonly owner: string | undefined
  /** NO_COLOR, see https://no-color.org */
  readonly noColor: boolean
  /** The locale's character set is UTF-8. */
  readonly utf8: boolean
  /** TERM is one that can move its cursor. */
  readonly cursor: boolean
  /** All of it, for programs that we start. */
  readonly environment: Variables
}

export function clientSettings(variables: Variables = process.env): ClientSettings {
  const given = (name: string): string | undefined => variables[name] || undefined
  return {
    directory: resolve(given('SPELL_DIR') ?? defaultDirectory(given('APPDATA'))),
    token: given('SPELL_TOKEN')?.trim() || undefined,
    baseUrl: given('SPELL_BASE_URL'),
    caHash: given('SPELL_CA_HASH'),
    caFile: given('SPELL_CA_FILE'),
    owner: given('SPELL_OWNER'),
    noColor: given('NO_COLOR') !== undefined,
    utf8: isUtf8(given('LC_ALL') ?? given('LC_CTYPE') ?? given('LANG')),
    cursor: given('TERM') !== 'dumb',
    environment: variables,
  }
}

/** Lets gRPC, which reads the process's environment itself, see the proxies that are named there. Safe to repeat. */
export function adoptProxy(): void {
  Object.assign(process.env, grpcProxyVariables(process.env))
}

/** The proxy on the way to this host, for what goes there without gRPC. */
export function proxyTo(host: string): HttpProxy | undefined {
  return proxyFor(host, process.env)
}

function defaultDirectory(appData: string | undefined): string {
  if (process.platform === 'win32') return join(appData ?? join(homedir(), 'AppData', 'Roaming'), 'spell')
  return join(homedir(), '.spell')
}

/** POSIX: without any of the three variables the locale is C, which has no UTF-8. Windows and macOS have it always. */
function isUtf8(locale: string | undefined): boolean {
  if (process.platform === 'win32' || process.platform === 'darwin') return true
  return locale !== undefined && /utf-?8/i.test(locale)
}
