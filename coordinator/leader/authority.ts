import type { CertificateRequest, KeyedCertificate } from '../../common/certificates.js'
import { messageOf, RpcError } from '../../common/errors.js'
import { isKeyOf } from '../../common/key-proof.js'
import { seal, unseal } from '../../common/sealing.js'
import { encode } from '../core/record-codec.js'
import type { Term } from './term.js'

// The key of the cluster's authority lies in etcd, sealed with the cluster's key, so that whichever coordinator leads can
// sign certificates. The first leader that has it in a file puts it there; after that the file is of no use.

/** What this coordinator has on its own disk of what the cluster's coordinators share. */
export interface Trust {
  /** The authority's certificate, PEM. */
  readonly authorityPem: string
  /** Undefined: its settings name none. */
  readonly clusterKey: Buffer | undefined
  /** The authority's key, PEM; undefined: its settings name no file. Throws FAILED_PRECONDITION where that can't be read. */
  readAuthorityKey(): string | undefined
}

/** `secret/ca-key` */
export interface SealedSecret {
  readonly sealed: string
}

const purpose = 'ca-key'

/** FAILED_PRECONDITION: this cluster can't sign, with the reason and what to do about it. */
export function authorityOf({ memory, parts }: Term): KeyedCertificate {
  const { clusterKey, authorityPem } = parts.trust
  const sealed = memory.sealedAuthorityKey
  if (!clusterKey)
    throw new RpcError(
      'FAILED_PRECONDITION',
      'No certificates can be signed: this coordinator has no cluster key (setting clusterKeyFile).',
    )
  if (sealed === undefined)
    throw new RpcError(
      'FAILED_PRECONDITION',
      'No certificates can be signed: the cluster was never given the key of its authority (setting authorityKeyFile).',
    )
  const keyPem = unseal(clusterKey, purpose, sealed)
  if (isKeyOf(keyPem, authorityPem)) return { certificatePem: authorityPem, keyPem }
  throw new RpcError(
    'FAILED_PRECONDITION',
    "No certificates can be signed: the key in etcd is not that of this coordinator's authority (setting tls.caFile).",
  )
}

/** Of every certificate that this leader signs. */
export function validity({ settings, parts }: Term): Required<Pick<CertificateRequest, 'days' | 'clock'>> {
  return { days: settings.certificateMs / 86_400_000, clock: parts.clock }
}

/** Puts the authority's key into etcd where it isn't yet and this coordinator has it. Whatever is wrong is logged. */
export async function keepAuthorityKey(term: Term): Promise<void> {
  const { memory, parts, writes } = term
  const { clusterKey, authorityPem } = parts.trust
  if (memory.sealedAuthorityKey === undefined && clusterKey) {
    const keyPem = readKey(term)
    if (keyPem !== undefined && isKeyOf(keyPem, authorityPem)) {
      memory.sealedAuthorityKey = seal(clusterKey, purpose, keyPem)
      const record: SealedSecret = { sealed: memory.sealedAuthorityKey }
      await writes.commit([{ key: writes.keys.authorityKey, value: encode(record) }])
    }
  }
  try {
    authorityOf(term)
  } catch (error) {
    parts.log.warn('No machine can join for now', { reason: messageOf(error) })
  }
}

function readKey({ parts }: Term): string | undefined {
  try {
    return parts.trust.readAuthorityKey()
  } catch (error) {
    parts.log.error("The authority's key could not be put into etcd", { reason: messageOf(error) })
    return undefined
  }
}
