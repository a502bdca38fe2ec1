import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, chown, rename, stat, writeFile } from 'node:fs/promises'
import type { KeyedCertificate } from './certificates.js'
import type { Clock } from './clock.js'

/** Where a program has its certificate and the key of it, both PEM. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

export function readPair({ certFile, keyFile }: CertificateFiles): KeyedCertificate {
  return { certificatePem: readFileSync(certFile, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') }
}

/** Whoever reads meanwhile finds the old one or the new one; it belongs to whom it belonged to. */
export async function replaceCertificate(certFile: string, certificatePem: string): Promise<void> {
  const { mode, uid, gid } = await stat(certFile)
  const draft = `${certFile}.new-${process.pid}`
  await writeFile(draft, certificatePem, { mode: 0o600 })
  await chown(draft, uid, gid)
  await chmod(draft, mode & 0o777)
  await rename(draft, certFile)
}

export function isExpired(certificatePem: string, clock: Clock): boolean {
  return clock.now() >= Date.parse(new X509Certificate(certificatePem).validTo)
}
