import { type Clock, systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import type { Channel } from '../../../proto/channel.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { retryAfterMs } from '../../../proto/rpc-error.js'
import { type Method, method } from '../../../proto/wire.js'

/** What one client asks for, again and again under the same request id until it is answered. */
export interface Submission {
  readonly requestId: string
  readonly spec: object
}

export interface Answered {
  readonly runId: number
  /** The answer said that the request had been taken before. */
  readonly repeated: boolean
  readonly tries: number
}

const submitMethod: Method<object, SubmitResponse__Output> = method('Runs', 'Submit')
const worthRepeating = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'CANCELLED'])

/** How a client does it that must know: any other status than these three is final. */
export async function submitUntilAnswered(
  channel: Channel,
  submission: Submission,
  signal: AbortSignal,
): Promise<Answered> {
  let tries = 0
  const { runId, repeatedRequest } = await untilAnswered(async () => {
    tries += 1
    return await channel.call(submitMethod, submission, { deadlineMs: 3_000, signal })
  }, signal)
  return { runId, repeated: repeatedRequest, tries }
}

/** Any call that is safe to repeat. */
export async function untilAnswered<Answer>(
  call: () => Promise<Answer>,
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<Answer> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if (signal.aborted || !(error instanceof RpcError) || !worthRepeating.has(error.code)) throw error
      await clock.sleep(Math.min(retryAfterMs(error) ?? 50, 100), signal)
    }
  }
}
