import { randomUUID } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import { runSpecToWire } from '../../proto/convert/run-spec.js'
import type { SubmitResponse__Output } from '../../proto/gen/spell/v1/SubmitResponse.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { Api } from '../api.js'

const deadlineMs = 10_000
const patienceMs = 60_000

/** One request id for all tries: whatever is lost on the way, it becomes one run. */
export async function submit(api: Api, spec: RunSpec): Promise<SubmitResponse__Output> {
  const request = { requestId: randomUUID(), spec: runSpecToWire(spec) }
  try {
    return await api.call<SubmitResponse__Output>('Runs', 'Submit', request, { deadlineMs, patienceMs })
  } catch (error) {
    if (!(error instanceof RpcError) || !['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.code))
      throw error
    throw new RpcError(
      error.code,
      `${error.message} Nobody has said whether the run was accepted: see "spell ps".`,
      {
        cause: error,
      },
    )
  }
}
