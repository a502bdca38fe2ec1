import {
  createHash,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign,
  verify,
  X509Certificate,
} from 'node:crypto'
import { fingerprint } from './certificates.js'

// How somebody shows that a key is theirs when they join a cluster or have a certificate renewed: ECDSA with SHA-256 (in
// DER) over one line that names what it is for. A signature that somebody overhears is of no use: what is given for it is
// good for the holder of the key alone.

export type Claim =
  | { readonly kind: 'join'; readonly token: string }
  | { readonly kind: 'renew'; readonly certificatePem: string }

/** `keyPem`: PKCS #8, P-256. */
export function proveKey(keyPem: string, claim: Claim): Buffer {
  return sign('sha256', Buffer.from(lineOf(claim)), createPrivateKey(keyPem))
}

/** Whether the holder of the public key (PEM) has signed this claim. */
export function isProven(publicKeyPem: string, claim: Claim, signature: Uint8Array): boolean {
  const key = p256Key(publicKeyPem)
  if (!key) return false
  try {
    return verify('sha256', Buffer.from(lineOf(claim)), key, signature)
  } catch {
    // Bytes that are no signature at all.
    return false
  }
}

/** Undefined: it is no public key on the curve P-256. */
export function p256Key(publicKeyPem: string): KeyObject | undefined {
  try {
    const key = createPublicKey(publicKeyPem)
    const curve = key.asymmetricKeyType === 'ec' ? key.asymmetricKeyDetails?.namedCurve : undefined
    return curve === 'prime256v1' ? key : undefined
  } catch {
    return undefined
  }
}

/** SHA-256 of the key's DER, in lower-case hex. */
export function keySha256(key: KeyObject): string {
  return createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')
}

/** The key that a certificate is for, as PEM. */
export function publicKeyOf(certificatePem: string): string {
  return new X509Certificate(certificatePem).publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

/** Whether this private key is the certificate's. */
export function isKeyOf(keyPem: string, certificatePem: string): boolean {
  return new X509Certificate(certificatePem).checkPrivateKey(createPrivateKey(keyPem))
}

function lineOf(claim: Claim): string {
  if (claim.kind === 'renew') return `spell renew ${fingerprint(claim.certificatePem)}`
  return `spell join ${createHash('sha256').update(claim.token).digest('hex')}`
}
