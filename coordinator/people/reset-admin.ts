import { RpcError } from '../../common/errors.js'
import { seal, unseal } from '../../common/sealing.js'
import type { Term } from '../leader/term.js'

// Where every admin is lost, whoever has a coordinator's folder has the cluster's key, and with that all that the cluster
// is. The name comes sealed with it and the login code goes back sealed with it: repeating the request helps nobody. A key
// of 256 bits needs no limit on guesses, and none keeps an admin out while somebody tries codes.

const purposes = { request: 'reset admin', answer: 'admin reset' } as const

/** Throws PERMISSION_DENIED for what was not sealed with the cluster's key. */
export function provenReset(term: Term, proof: string): string {
  const key = keyOf(term)
  try {
    const asked: unknown = JSON.parse(unseal(key, purposes.request, proof))
    if (typeof asked === 'object' && asked !== null && 'name' in asked && typeof asked.name === 'string')
      return asked.name
  } catch {
    // What cannot be unsealed proves nothing, whatever is wrong with it.
  }
  throw new RpcError('PERMISSION_DENIED', "The request was not sealed with this cluster's key.")
}

export function sealReset(term: Term, answer: object): string {
  return seal(keyOf(term), purposes.answer, JSON.stringify(answer))
}

function keyOf({ parts }: Term): Buffer {
  if (parts.trust.clusterKey) return parts.trust.clusterKey
  throw new RpcError(
    'FAILED_PRECONDITION',
    "This cluster has no key: name one in its coordinators' settings (clusterKeyFile).",
  )
}
