import {
  type CertificateRequest,
  issueCertificate,
  type KeyedCertificate,
} from '../../common/certificates.js'
import { writeWhole } from '../cluster/write-whole.js'
import type { ProgramFolder } from './folders.js'

/** Issues and writes what a program is trusted by: the authority's certificate, its own, its key (0600). */
export async function giveCertificate(
  folder: ProgramFolder,
  authority: KeyedCertificate,
  request: CertificateRequest,
): Promise<void> {
  const issued = await issueCertificate(authority, request)
  writeWhole(folder.trust.keyFile, issued.keyPem)
  writeWhole(folder.trust.certFile, issued.certificatePem)
  writeWhole(folder.trust.caFile, authority.certificatePem)
}
