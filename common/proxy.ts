import { isIPv4 } from 'node:net'

// Proxies as programs on Unix have them: `https_proxy`, `no_proxy`, in either case. gRPC's own names go before them.

type Variables = Readonly<Record<string, string | undefined>>

/** A proxy that is spoken to in plain HTTP, by CONNECT. */
export interface HttpProxy {
  readonly host: string
  readonly port: number
  /** Value of `proxy-authorization`, where the variable has a user in it. */
  readonly authorization: string | undefined
}

/** The proxy on the way to this host; undefined: none. This machine itself is never reached through one. */
export function proxyFor(host: string, variables: Variables): HttpProxy | undefined {
  const url = proxyUrl(variables)
  if (!url || isLoopback(host) || passesBy(host, variables)) return undefined
  const user = decodeURIComponent(url.password ? `${url.username}:${url.password}` : url.username)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 80),
    authorization: user === '' ? undefined : `Basic ${Buffer.from(user).toString('base64')}`,
  }
}

/**
 * The same for gRPC, which reads the environment of the process itself, knows small letters only, and takes a blank or an
 * empty entry in `no_proxy` for something else than everybody means by it: what is to be set there.
 */
export function grpcProxyVariables(variables: Variables): Readonly<Record<string, string>> {
  const url = proxyUrl(variables)
  if (!url) return {}
  const entries = noProxyEntries(variables)
  // An empty entry is the end of every name.
  const noProxy = entries.includes('*') ? ',' : entries.join(',')
  return { grpc_proxy: url.href, ...(noProxy && { no_grpc_proxy: noProxy }) }
}

/** Localhost by name or address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || isLoopbackV4(host)
}

const isLoopbackV4 = (host: string): boolean => isIPv4(host) && host.startsWith('127.')

/** Undefined: none is named, or one that is spoken to otherwise. */
function proxyUrl(variables: Variables): URL | undefined {
  const names = ['grpc_proxy', 'https_proxy', 'HTTPS_PROXY', 'http_proxy']
  const written = names.map((name) => variables[name]).find(Boolean)
  if (written === undefined) return undefined
  // People leave the scheme out.
  const whole = written.includes('://') ? written : `http://${written}`
  const url = URL.canParse(whole) ? new URL(whole) : undefined
  return url?.protocol === 'http:' ? url : undefined
}

/** Suffixes of names, addresses and IPv4 networks, as `.example.org`, `10.1.2.3`, `10.0.0.0/8`; `*`: everything. */
function noProxyEntries(variables: Variables): readonly string[] {
  const names = ['no_grpc_proxy', 'no_proxy', 'NO_PROXY']
  const written = names.map((name) => variables[name]).find(Boolean) ?? ''
  return written
    .split(/[\s,]+/)
    .filter(Boolean)
    .map((entry) => entry.replace(/^\*(?=.)/, '').replace(/(?<!:[^:]*):\d+$/, ''))
}

function passesBy(host: string, variables: Variables): boolean {
  return noProxyEntries(variables).some((entry) => entry === '*' || host.endsWith(entry) || isIn(host, entry))
}

function isIn(host: string, network: string): boolean {
  const [base = '', length = ''] = network.split('/')
  if (!isIPv4(host) || !isIPv4(base) || !/^\d+$/.test(length) || Number(length) > 32) return false
  const shift = 2 ** (32 - Number(length))
  return Math.floor(numberOf(host) / shift) === Math.floor(numberOf(base) / shift)
}

const numberOf = (address: string): number =>
  address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
