import { RpcError } from '../../common/errors.js'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import type { SystemLine__Output } from '../../proto/gen/spell/v1/SystemLine.js'
import { isFinal, stateFromWire } from '../../proto/model/run-state.js'
import type { Api } from '../api.js'
import type { World } from '../world.js'
import { type FollowNews, type FollowWish, followEvents } from './events.js'
import type { Pace } from './pace.js'

/** Somebody who is told what happens with a run, in order, one thing after another. */
export interface Listener {
  onRun(run: Run__Output): Promise<void>
  onLog(attempt: number, offset: number, data: Buffer, atMs: number): Promise<void>
  onLine(line: SystemLine__Output): Promise<void>
  onLost(reason: string): void
  onBack(): void
  /** The stream is over. */
  end(): Promise<void>
}

export interface Following {
  readonly wish: FollowWish
  readonly listener: Listener
  /** Left out: as fast as it comes. */
  readonly pace?: Pace | undefined
}

export type FollowEnd =
  | { readonly kind: 'ended'; readonly run: Run__Output }
  | { readonly kind: 'as far as it is'; readonly run: Run__Output | undefined }
  /** ^C: the run goes on, nobody looks. */
  | { readonly kind: 'left' }

export async function follow(api: Api, world: World, following: Following): Promise<FollowEnd> {
  const leaving = new AbortController()
  const forget = world.onInterrupt(() => leaving.abort(new Error('interrupted')))
  try {
    return await followUntil(api, world, following, leaving.signal)
  } finally {
    forget()
  }
}

/** For whoever follows several runs and leaves them all at once. */
export async function followUntil(
  api: Api,
  world: World,
  following: Following,
  leaving: AbortSignal,
): Promise<FollowEnd> {
  let run: Run__Output | undefined
  try {
    for await (const news of followEvents(api, world, following.wish, leaving)) {
      if (news.kind === 'run') run = news.run
      if (news.kind === 'log') await following.pace?.wait(news.atMs, leaving)
      await tell(following.listener, news)
      leaving.throwIfAborted()
    }
  } catch (error) {
    if (!leaving.aborted) throw withHint(error, following.wish)
    return { kind: 'left' }
  }
  await following.listener.end()
  if (run && isFinal(stateFromWire(run.state))) return { kind: 'ended', run }
  return { kind: 'as far as it is', run }
}

async function tell(listener: Listener, news: FollowNews): Promise<void> {
  switch (news.kind) {
    case 'run':
      return await listener.onRun(news.run)
    case 'log':
      return await listener.onLog(news.attempt, news.offset, news.data, news.atMs)
    case 'line':
      return await listener.onLine(news.line)
    case 'lost':
      return listener.onLost(news.reason)
    case 'back':
      return listener.onBack()
  }
}

/** Whoever loses sight of a run is told how to find it again. */
function withHint(error: unknown, wish: FollowWish): unknown {
  if (!(error instanceof RpcError) || error.code !== 'UNAVAILABLE' || !wish.follow) return error
  const sentence = `${error.message} The run goes on without us: "spell logs -f ${wish.runId}".`
  return new RpcError(error.code, sentence, { cause: error })
}
