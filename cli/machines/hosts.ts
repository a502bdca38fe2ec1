import { lookup } from 'node:dns/promises'
import { isIP, isIPv6 } from 'node:net'
import { hostname, networkInterfaces } from 'node:os'
import { Failure } from '../failure.js'

/** What a host may be called here: a name of DNS, or an address. */
const hostName =
  /^(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$/

/** Brackets around an IPv6 address are taken off. Throws Failure('usage') naming the option. */
export function hostFrom(option: string, written: string): string {
  const host = written.replace(/^\[(.*)\]$/, '$1')
  if (isIP(host) !== 0 || hostName.test(host)) return host
  throw new Failure('usage', `${option} must be the name or the address of a machine, not "${written}".`)
}

/** `host:port`, with brackets where the host is an IPv6 address. */
export function at(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where a server listens that is to be reached by this host name: on all of the machine's addresses. */
export function listenAt(host: string, port: number): string {
  return at(isIPv6(host) ? '::' : '0.0.0.0', port)
}

/** `host` and `port` of `host:port`. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) }
}

/** This machine's addresses, those of the loopback left out; IPv4 first. */
export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && !one.address.startsWith('fe80:'))
    .toSorted((one, other) => one.family.localeCompare(other.family))
    .map((one) => one.address)
}

/** Whether the host is this machine: its name, or something that leads to one of its addresses. */
export async function isThisMachine(host: string): Promise<boolean> {
  const own = new Set(ownAddresses())
  if (own.has(host) || host.toLowerCase() === hostname().toLowerCase()) return true
  return (await addressesOf(host)).some((address) => own.has(address))
}

/** What the name leads to; nothing where it leads nowhere. */
export async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host]
  const found = await lookup(host, { all: true }).catch(() => [])
  return found.map((one) => one.address)
}

/** How others reach this machine when nobody says: by its name where that leads here, else by its first address. */
export async function usualHost(): Promise<string | undefined> {
  const own = ownAddresses()
  const name = hostname()
  if (hostName.test(name) && (await addressesOf(name)).some((address) => own.includes(address))) return name
  return own[0]
}

/** A name for a program, out of the machine's: what may not stand in one becomes a dash. */
export function nameOfMachine(): string {
  const name = hostname()
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+/, '')
  return name.slice(0, 63) || 'machine'
}

/** For certificates. */
export function subjectNames(hosts: readonly string[]): {
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
} {
  const all = [...new Set([...hosts, 'localhost', '127.0.0.1'])]
  return {
    dnsNames: all.filter((host) => isIP(host) === 0),
    ipAddresses: all.filter((host) => isIP(host) !== 0),
  }
}
