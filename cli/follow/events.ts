import { type BackoffSettings, backoffMs } from '../../common/backoff.js'
import { messageOf, RpcError } from '../../common/errors.js'
import { systemRandom } from '../../common/random.js'
import { stayTrailer } from '../../proto/channel.js'
import type { FollowEvent__Output } from '../../proto/gen/spell/v1/FollowEvent.js'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import type { SystemLine__Output } from '../../proto/gen/spell/v1/SystemLine.js'
import { isFinal, stateFromWire } from '../../proto/model/run-state.js'
import { retryAfterMs } from '../../proto/rpc-error.js'
import type { Api } from '../api.js'
import type { World } from '../world.js'

// A run's story survives whoever tells it: when the stream breaks, it is asked for again from the byte and the state that
// were seen last, so that nothing is missed and nothing comes twice, whatever the server sends.

export interface FollowWish {
  readonly runId: number
  /** Until the run has ended; otherwise what there is now. */
  readonly follow: boolean
  readonly tailLines: number | undefined
  /** Log bytes as well as states. */
  readonly logs: boolean
  /** When the bytes of the log came, as far as that is known. */
  readonly times: boolean
}

export type FollowNews =
  | { readonly kind: 'run'; readonly run: Run__Output }
  | {
      readonly kind: 'log'
      readonly attempt: number
      readonly offset: number
      readonly data: Buffer
      readonly atMs: number
    }
  | { readonly kind: 'line'; readonly line: SystemLine__Output }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'back' }

/** What the reader has already got. */
interface Position {
  attempt: number
  offset: number
  statesSeen: number
  /** Any byte came yet: from then on the offset says where to go on, not the wish for a tail. */
  begun: boolean
  ended: boolean
}

const pauses: BackoffSettings = { firstMs: 200, maxMs: 5_000 }
/** Without any answer for so long, we give up; the run doesn't. */
const patienceMs = 3_600_000

export async function* followEvents(
  api: Api,
  world: World,
  wish: FollowWish,
  signal: AbortSignal,
): AsyncGenerator<FollowNews, void, undefined> {
  const position: Position = { attempt: 0, offset: 0, statesSeen: 0, begun: false, ended: false }
  let tries = 0
  /** The coordinator answers, and what holds the log is away: only what comes of that is a sign that it is back. */
  let storeIsAway = false
  let heardAt = world.clock.monotonic()
  for (;;) {
    let trouble = new RpcError('UNAVAILABLE', 'the stream ended early')
    try {
      for await (const event of api.stream<FollowEvent__Output>(
        'Runs',
        'Follow',
        ask(wish, position),
        signal,
      )) {
        if (tries > 0 && (!storeIsAway || event.log || event.line)) {
          yield { kind: 'back' }
          tries = 0
        }
        heardAt = world.clock.monotonic()
        yield* take(event, position)
      }
      if (!wish.follow || position.ended) return
    } catch (error) {
      if (signal.aborted || !worthAnotherTry(error)) throw error
      trouble = error
    }
    storeIsAway = stayTrailer in trouble.trailers
    if (world.clock.monotonic() - heardAt > patienceMs) throw trouble
    if (tries === 0) yield { kind: 'lost', reason: messageOf(trouble) }
    await world.clock.sleep(retryAfterMs(trouble) ?? backoffMs(pauses, tries, systemRandom), signal)
    tries += 1
  }
}

function ask(wish: FollowWish, position: Position): object {
  const { runId, follow, tailLines, logs, times } = wish
  const { attempt, offset, statesSeen, begun } = position
  const start = begun || tailLines === undefined ? { attempt, offset } : { tailLines }
  return { runId, follow, logs, times, statesSeen, ...start }
}

function* take(event: FollowEvent__Output, position: Position): Generator<FollowNews> {
  if (event.run) {
    position.statesSeen = Math.max(position.statesSeen, event.run.states.length)
    position.ended = isFinal(stateFromWire(event.run.state))
    yield { kind: 'run', run: event.run }
  }
  if (event.line) yield { kind: 'line', line: event.line }
  if (event.log) {
    const { attempt, offset, data, atMs } = event.log
    const fresh = unseen(position, attempt, offset, data)
    if (fresh === undefined) return
    position.attempt = attempt
    position.offset = offset + data.length
    position.begun = true
    yield { kind: 'log', attempt, offset: position.offset - fresh.length, data: fresh, atMs }
  }
}

/** The part of a chunk that has not been shown yet; undefined when there is none. */
function unseen(position: Position, attempt: number, offset: number, data: Buffer): Buffer | undefined {
  if (attempt < position.attempt) return undefined
  const shown = attempt === position.attempt && position.begun ? position.offset - offset : 0
  if (shown >= data.length) return undefined
  return shown > 0 ? data.subarray(shown) : data
}

function worthAnotherTry(error: unknown): error is RpcError {
  if (!(error instanceof RpcError)) return false
  return ['UNAVAILABLE', 'CANCELLED', 'ABORTED', 'DEADLINE_EXCEEDED', 'INTERNAL'].includes(error.code)
}
