import { messageOf, status } from '../../common/errors.js'
import { EtcdError, type EtcdOutcome } from './etcd.js'

const refusals: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.OUT_OF_RANGE,
  status.UNAUTHENTICATED,
  status.UNIMPLEMENTED,
])

/** What a call to etcd has failed with, in our words: whether anything may have happened is what counts. */
export function toEtcdError(error: unknown): EtcdError {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : 2
  const outcome: EtcdOutcome = refusals.has(code) ? 'refused' : 'unknown'
  return new EtcdError(outcome, code, `etcd: ${messageOf(error)}`, error)
}
