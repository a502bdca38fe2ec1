import { RpcError } from '../../common/errors.js'
import { seal, unseal } from '../../common/sealing.js'
import { encode } from '../core/record-codec.js'
import type { Keys } from '../store/keys.js'
import type { Put } from './types.js'

const purpose = 'key check'

/**
 * Whether this coordinator's key is the one that the cluster's secrets are sealed with, before it leads: later it would be
 * too late. Gives what is to be committed where nothing was sealed yet. FAILED_PRECONDITION: it is another, or there is none.
 */
export function checkClusterKey(
  key: Buffer | undefined,
  kept: string | undefined,
  keys: Keys,
): Put | undefined {
  if (kept === undefined)
    return key && { key: keys.keyCheck, value: encode({ sealed: seal(key, purpose, 'right') }) }
  if (!key)
    throw new RpcError(
      'FAILED_PRECONDITION',
      "The cluster's secrets are sealed, and this coordinator's settings name no key (clusterKeyFile).",
    )
  try {
    unseal(key, purpose, kept)
  } catch (cause) {
    throw new RpcError(
      'FAILED_PRECONDITION',
      "This coordinator's key (clusterKeyFile) is not the one that the cluster's secrets are sealed with.",
      { cause },
    )
  }
  return undefined
}
