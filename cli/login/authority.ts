import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { invariant, messageOf } from '../../common/errors.js'
import type { HttpProxy } from '../../common/proxy.js'
import { Failure } from '../failure.js'
import { proxyTo } from '../settings.js'
import { tunnel } from './tunnel.js'

const patienceMs = 10_000

export interface Authority {
  readonly pem: string
  /** SHA-256 of its DER form, in lower-case hex. */
  readonly hash: string
}

/**
 * The authorities in the chain that a server shows: nothing is believed yet, and nothing is sent. Whoever asks compares
 * a hash that came by another way, and then connects again trusting that authority alone.
 */
export async function authoritiesAt(address: string): Promise<readonly Authority[]> {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
  const socket = await connected(address, host, proxyTo(host))
  try {
    return chainOf(socket)
      .map((raw) => new X509Certificate(raw))
      .filter((certificate) => certificate.ca)
      .map((certificate) => ({ pem: certificate.toString(), hash: normalHash(certificate.fingerprint256) }))
  } finally {
    socket.destroy()
  }
}

/** The authority with this hash, in PEM, as the first of these addresses that can be reached shows it. */
export async function authorityByHash(addresses: readonly string[], hash: string): Promise<string> {
  const wanted = normalHash(hash)
  const { address, shown } = await firstReached(addresses)
  const found = shown.find((authority) => authority.hash === wanted)
  if (found) return found.pem
  const other = shown.map((authority) => authority.hash).join(', ') || 'none at all'
  throw new Failure(
    'error',
    `This is not the cluster you mean: the authority of ${address} has the hash ${other}, not ${wanted}.`,
  )
}

/** What the first of these addresses that can be reached shows; throws what was wrong with the last. */
export async function firstReached(
  addresses: readonly string[],
): Promise<{ readonly address: string; readonly shown: readonly Authority[] }> {
  invariant(addresses.length > 0, 'a login has an address')
  let trouble: unknown
  for (const address of addresses) {
    try {
      return { address, shown: await authoritiesAt(address) }
    } catch (error) {
      trouble = error
    }
  }
  throw trouble
}

export function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure('error', `Could not read the certificate authority: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/** Whether the PEM is that of the authority with this hash. */
export function hasHash(pem: string, hash: string): boolean {
  return pem !== '' && normalHash(new X509Certificate(pem).fingerprint256) === normalHash(hash)
}

/** `sha256:AB:CD…`, `AB:CD…` and `abcd…` are the same hash. */
export function normalHash(written: string): string {
  return written
    .trim()
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase()
}

async function connected(address: string, host: string, proxy: HttpProxy | undefined): Promise<TLSSocket> {
  const failure = (reason: string) =>
    new Failure('error', `Could not reach a coordinator at ${address}: ${reason}`)
  const through =
    proxy &&
    (await tunnel(proxy, address, AbortSignal.timeout(patienceMs)).catch((error: unknown) => {
      throw failure(messageOf(error))
    }))
  return await new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      socket.destroy()
      reject(failure(reason))
    }
    const socket = connect({
      ...(through
        ? { socket: through }
        : { host, port: Number(address.slice(address.lastIndexOf(':') + 1)) }),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    })
    socket.setTimeout(patienceMs, () => fail('it does not answer'))
    socket.once('error', (error) => fail(messageOf(error)))
    socket.once('secureConnect', () => resolve(socket))
  })
}

function chainOf(socket: TLSSocket): readonly Buffer[] {
  const chain: Buffer[] = []
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw && !chain.some((known) => known.equals(certificate?.raw ?? known))) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  return chain
}
