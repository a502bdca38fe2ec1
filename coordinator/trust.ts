import { readFileSync } from 'node:fs'
import { messageOf, RpcError } from '../common/errors.js'
import { readClusterKey } from '../common/sealing.js'
import type { Trust } from './leader/authority.js'
import type { CoordinatorSettings } from './settings.js'

/** What the settings' files have of the cluster's secrets. FAILED_PRECONDITION: there is a cluster key that can't be read. */
export function readTrust(settings: CoordinatorSettings): Trust {
  const { tls, clusterKeyFile, authorityKeyFile } = settings
  return {
    authorityPem: readFileSync(tls.caFile, 'utf8'),
    clusterKey: clusterKeyFile === undefined ? undefined : readClusterKey(clusterKeyFile),
    readAuthorityKey: () => (authorityKeyFile === undefined ? undefined : readKey(authorityKeyFile)),
  }
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const why = messageOf(cause)
    throw new RpcError('FAILED_PRECONDITION', `The authority's key could not be read: ${why}.`, { cause })
  }
}
