import { RpcError } from '../../common/errors.js'
import { runSpecFromWire } from '../../proto/convert/run-spec.js'
import type { SubmitRequest__Output } from '../../proto/gen/spell/v1/SubmitRequest.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { Submitted } from '../leader/types.js'
import type { CodeCheck } from './code-check.js'
import type { ImageCheck } from './image-check.js'
import { type Rule, refusal, violation } from './rule.js'
import { validity } from './submit-rules.js'
import type { UserCall } from './user-call.js'

/** A run's spec is one value of one transaction, which takes 1 MiB altogether. */
export const maxSpecBytes = 716_800

export interface SubmitParts {
  /** What this version refuses by name. */
  readonly notYet: readonly Rule[]
  readonly images: ImageCheck
  readonly code: CodeCheck
}

export async function submit(
  parts: SubmitParts,
  request: SubmitRequest__Output,
  call: Pick<UserCall, 'user' | 'leader'>,
): Promise<object> {
  const { requestId } = request
  if (!/^[\x20-\x7e]{1,64}$/.test(requestId))
    throw new RpcError('INVALID_ARGUMENT', 'request_id must be 1 to 64 printable ASCII characters.', {
      field: 'request_id',
    })
  if (!request.spec) throw new RpcError('INVALID_ARGUMENT', 'spec is missing.', { field: 'spec' })
  const spec = runSpecFromWire(request.spec)
  const content = contentOf(spec)
  const name = { user: call.user, requestId, ...call.leader.requestHashes(spec, content) }
  // A run that was accepted is answered whatever would be said of it today.
  const before = call.leader.answeredBefore(name)
  if (before) return answerOf(await before)
  const invalid = violation(validity, spec)
  if (invalid) throw new RpcError('INVALID_ARGUMENT', invalid.reason, { field: invalid.field })
  refuse('UNIMPLEMENTED', refusal(parts.notYet, spec))
  if (!parts.code.allows(spec)) refuse('FAILED_PRECONDITION', await parts.code.refusal(spec))
  if (!parts.images.allows(spec)) refuse('FAILED_PRECONDITION', await parts.images.refusal(call.leader))
  checkSize(content)
  return answerOf(await call.leader.submit({ ...name, spec }))
}

function answerOf({ runId, repeated, warnings }: Submitted): object {
  return { runId, repeatedRequest: repeated, warnings }
}

function refuse(code: 'UNIMPLEMENTED' | 'FAILED_PRECONDITION', reason: string | undefined) {
  if (reason !== undefined) throw new RpcError(code, reason)
}

/** What the request says, not its bytes: clients differ in the order in which they write the entries of a map. */
function contentOf(spec: RunSpec): string {
  const hyperparameters = Object.entries(spec.hyperparameters).sort(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify({ ...spec, hyperparameters })
}

function checkSize(content: string): void {
  const bytes = Buffer.byteLength(content)
  if (bytes > maxSpecBytes)
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      `What the run asks for has ${bytes} bytes altogether; the limit is ${maxSpecBytes}.`,
    )
}
