import { X509Certificate } from 'node:crypto'
import { RpcError } from '../common/errors.js'

/** A node is who its certificate says: `node:<id>` is its common name. */
export function nodeIdOf(certificatePem: string): string {
  const subject = new X509Certificate(certificatePem).subject
  const id = /^CN=node:(?<id>.+)$/m.exec(subject)?.groups?.id
  if (id !== undefined) return id
  throw new RpcError('FAILED_PRECONDITION', `The certificate is no node's: it says "${subject}".`)
}
