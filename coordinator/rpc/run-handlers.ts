import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { FollowRequest__Output } from '../../proto/gen/spell/v1/FollowRequest.js'
import type { GetRunRequest__Output } from '../../proto/gen/spell/v1/GetRunRequest.js'
import type { RunIds__Output } from '../../proto/gen/spell/v1/RunIds.js'
import type { SetLabelRequest__Output } from '../../proto/gen/spell/v1/SetLabelRequest.js'
import type { SubmitRequest__Output } from '../../proto/gen/spell/v1/SubmitRequest.js'
import type { SteerAction } from '../leader/types.js'
import type { LogStore } from '../logs/log-store.js'
import { type Handlers, serverStream, unary } from './call.js'
import { follow } from './follow.js'
import { listRuns } from './list-runs.js'
import { refusePrivate } from './private-runs.js'
import type { RunLines } from './run-lines.js'
import { runToWire } from './run-to-wire.js'
import { type SubmitParts, submit } from './submit.js'
import { labelRefusal } from './submit-rules.js'
import type { UserCall } from './user-call.js'

export interface RunHandlerParts extends SubmitParts {
  readonly logs: LogStore
  readonly lines: RunLines
  readonly clock: Clock
}

export function runHandlers(parts: RunHandlerParts): Handlers<UserCall> {
  const { logs, lines, clock } = parts
  return {
    'Runs/Submit': unary<SubmitRequest__Output, UserCall>((request, call) => submit(parts, request, call)),
    'Runs/Get': unary(getRun),
    'Runs/List': unary(listRuns),
    'Runs/Follow': serverStream<FollowRequest__Output, UserCall>(async function* (request, call) {
      const { leader, signal } = call
      if (request.logs) await refusePrivate(call, request.runId)
      yield* follow(request, { leader, signal, logs, lines, clock })
    }),
    'Runs/Stop': unary(steer('stop')),
    'Runs/Kill': unary(steer('kill')),
    'Runs/Archive': unary(steer('archive')),
    'Runs/SetLabel': unary(setLabel),
  }
}

/** At most so many ids in a request about several runs. */
export const mostIds = 1_000

export function checkIds(ids: readonly number[]): void {
  if (ids.length > mostIds)
    throw new RpcError('INVALID_ARGUMENT', `The request names ${ids.length} runs; it may name ${mostIds}.`)
}

async function getRun(request: GetRunRequest__Output, call: UserCall): Promise<object> {
  const run = await call.leader.run(request.runId)
  if (request.showEnv && call.user.name !== run.creator)
    throw new RpcError(
      'PERMISSION_DENIED',
      `Values of environment variables are shown to the run's owner only: ${run.creator}.`,
    )
  if (!request.showEnv) return runToWire(run)
  const env = await call.leader.environmentOf(run.id)
  return runToWire({ ...run, spec: { ...run.spec, env } }, { env: true })
}

function steer(action: SteerAction) {
  return async (request: RunIds__Output, call: UserCall): Promise<object> => {
    checkIds(request.runIds)
    return await call.leader.steer(action, call.user, request.runIds)
  }
}

async function setLabel(request: SetLabelRequest__Output, call: UserCall): Promise<object> {
  const { runId, label, remove } = request
  const refusal = labelRefusal(label)
  if (refusal !== undefined) throw new RpcError('INVALID_ARGUMENT', refusal)
  return runToWire(await call.leader.setLabel(call.user, runId, { label, remove }))
}
