import { issueCertificate, type KeyedCertificate, makeAuthority } from '../../../common/certificates.js'
import type { TlsFiles } from '../../../coordinator/tls-files.js'

/** A cluster's authority for one test file. */
export interface TestAuthority {
  readonly ca: string
  issue(commonName: string): Promise<KeyedCertificate>
  server(): Promise<TlsFiles>
}

export async function testAuthority(): Promise<TestAuthority> {
  const authority = await makeAuthority('test cluster')
  const issue = (commonName: string) =>
    issueCertificate(authority, { commonName, dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] })
  return {
    ca: authority.certificatePem,
    issue,
    async server() {
      const { certificatePem, keyPem } = await issue('coordinator:test')
      return {
        ca: Buffer.from(authority.certificatePem),
        certificate: Buffer.from(certificatePem),
        key: Buffer.from(keyPem),
      }
    },
  }
}
