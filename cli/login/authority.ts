import { X509Certificate } from 'node:crypto'
import { connect, type DetailedPeerCertificate, type TLSSocket } from 'node:tls'
import { messageOf } from '../../common/errors.js'
import { Failure } from '../failure.js'

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
  const socket = await connected(address)
  try {
    return chainOf(socket)
      .map((raw) => new X509Certificate(raw))
      .filter((certificate) => certificate.ca)
      .map((certificate) => ({ pem: certificate.toString(), hash: normalHash(certificate.fingerprint256) }))
  } finally {
    socket.destroy()
  }
}

/** `sha256:AB:CD…`, `AB:CD…` and `abcd…` are the same hash. */
export function normalHash(written: string): string {
  return written
    .trim()
    .replace(/^sha256:/i, '')
    .replaceAll(':', '')
    .toLowerCase()
}

function connected(address: string): Promise<TLSSocket> {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '')
  return new Promise((resolve, reject) => {
    const fail = (reason: string) => {
      socket.destroy()
      reject(new Failure('error', `Could not reach a coordinator at ${address}: ${reason}`))
    }
    const socket = connect({
      host,
      port: Number(address.slice(colon + 1)),
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
