import { X509Certificate } from 'node:crypto'
import { certify, commonNameOf, isIssuedBy, namesIn } from '../../common/certificates.js'
import { RpcError } from '../../common/errors.js'
import { isProven, keySha256, p256Key, publicKeyOf } from '../../common/key-proof.js'
import { authorityOf, validity } from './authority.js'
import { isHolderRemoved } from './membership.js'
import type { Term } from './term.js'

/** Of etcd's members too: their certificates are those of the coordinators' machines. */
const renewable = /^(?:(?:node|coordinator|etcd):.+|etcd)$/

/** A new certificate with the same key and names, however old the one shown is. */
export async function renewCertificate(
  term: Term,
  request: { readonly certificatePem: string; readonly signature: Uint8Array },
): Promise<string> {
  const { signature } = request
  const certificatePem = normalCertificate(request.certificatePem)
  const authority = authorityOf(term)
  if (!isIssuedBy(certificatePem, authority.certificatePem))
    throw new RpcError('PERMISSION_DENIED', "The certificate is not of this cluster's authority.")
  const publicKeyPem = publicKeyOf(certificatePem)
  if (!isProven(publicKeyPem, { kind: 'renew', certificatePem }, signature))
    throw new RpcError('PERMISSION_DENIED', "The request to renew is not signed with the certificate's key.")
  const commonName = commonNameOf(certificatePem)
  checkMembership(term, commonName, publicKeyPem)
  const who = { commonName, ...namesIn(certificatePem) }
  const renewed = await certify(authority, publicKeyPem, { ...who, ...validity(term) })
  // Whoever leads now may have removed the holder.
  if (!term.parts.isLeading()) throw new RpcError('UNAVAILABLE', 'This coordinator does not lead any more.')
  return renewed
}

/** One certificate and nothing beside it. INVALID_ARGUMENT: it is none. */
function normalCertificate(pem: string): string {
  try {
    return new X509Certificate(pem).toString()
  } catch (cause) {
    throw new RpcError('INVALID_ARGUMENT', 'What is to be renewed is no certificate.', { cause })
  }
}

function checkMembership({ memory }: Term, holder: string, publicKeyPem: string): void {
  if (!renewable.test(holder))
    throw new RpcError('PERMISSION_DENIED', `Certificates of ${JSON.stringify(holder)} are not renewed.`)
  if (isHolderRemoved(memory, holder))
    throw new RpcError(
      'PERMISSION_DENIED',
      `${holder.replace(':', ' ')} was removed from the cluster: its certificate is not renewed. Its machine can join again, as another.`,
    )
  const key = p256Key(publicKeyPem)
  const wanted = memory.memberships.get(holder)?.publicKeySha256
  if (key && (!wanted || keySha256(key) === wanted)) return
  throw new RpcError('PERMISSION_DENIED', `The certificate's key is not that of ${holder.replace(':', ' ')}.`)
}
