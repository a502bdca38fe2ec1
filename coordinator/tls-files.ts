import { readFileSync } from 'node:fs'
import type { CertificateFiles } from '../common/certificate-files.js'
import type { CoordinatorSettings } from './settings.js'

/** PEM, read from the settings' files. */
export interface TlsFiles {
  readonly ca: Buffer
  readonly certificate: Buffer
  readonly key: Buffer
}

export function readTls(files: CoordinatorSettings['tls']): TlsFiles {
  return {
    ca: readFileSync(files.caFile),
    certificate: readFileSync(files.certFile),
    key: readFileSync(files.keyFile),
  }
}

/** What this coordinator shows to etcd; undefined: they talk in plain text. */
export function etcdTlsFiles({ etcd }: CoordinatorSettings): CoordinatorSettings['tls'] | undefined {
  const { caFile, certFile, keyFile } = etcd
  return caFile && certFile && keyFile ? { caFile, certFile, keyFile } : undefined
}

export function isSamePair(one: CertificateFiles, other: CertificateFiles): boolean {
  return one.certFile === other.certFile && one.keyFile === other.keyFile
}
