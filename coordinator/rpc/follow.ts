import type { Clock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { FollowRequest__Output } from '../../proto/gen/spell/v1/FollowRequest.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { RunView } from '../core/records.js'
import type { Leader } from '../leader.js'
import type { LogStore } from '../logs/log-store.js'
import { type LogTime, piecesByTime } from '../logs/log-times.js'
import { beforeLogEnds, mayShowLog, sameForReader } from './follow-order.js'
import { RunFeed } from './run-feed.js'
import type { RunLines } from './run-lines.js'
import { runToWire } from './run-to-wire.js'

// What a follower is sent, in the order in which a reader should see it: a state that comes after the command's end is
// held back until all of the log has been sent, then the newest of what was held back goes out; bytes that are here before
// their attempt is known to be running wait for that. Nothing piles up for a
// slow follower but the newest view and a bounded list of lines: log bytes are read when they can be written.

/** How long a node that is away is waited for when it still has bytes of a finished run's log, in milliseconds. */
const lateLogMs = 10_000

export interface FollowParts {
  readonly leader: Leader
  readonly logs: LogStore
  readonly lines: RunLines
  readonly clock: Clock
  readonly signal: AbortSignal
}

export async function* follow(request: FollowRequest__Output, parts: FollowParts): AsyncGenerator<object> {
  const feed = new RunFeed(parts, request.runId)
  try {
    const first = await parts.leader.run(request.runId)
    feed.begin(first, request.logs)
    yield* new Follower(request, parts, feed).events()
  } finally {
    feed.close()
  }
}

class Follower {
  readonly #request: FollowRequest__Output
  readonly #parts: FollowParts
  readonly #feed: RunFeed
  #sent: RunView | undefined
  #attempt: number
  #offset: number
  #tailWanted: number | undefined
  /** Of the bytes that were here when they were first asked for; what comes later comes now. */
  #times: readonly LogTime[] | undefined

  constructor(request: FollowRequest__Output, parts: FollowParts, feed: RunFeed) {
    this.#request = request
    this.#parts = parts
    this.#feed = feed
    const current = feed.run.attempt
    if (request.attempt > current)
      throw new RpcError('OUT_OF_RANGE', `Run ${request.runId} has no attempt ${request.attempt}.`)
    this.#attempt = current
    this.#offset = request.attempt === 0 || request.attempt === current ? request.offset : 0
    this.#tailWanted = request.tailLines
  }

  async *events(): AsyncGenerator<object> {
    for (;;) {
      this.#parts.signal.throwIfAborted()
      const seen = this.#feed.beginRound()
      const run = this.#feed.run
      const early = beforeLogEnds(run)
      const held = early !== undefined && this.#request.logs
      if (!held || early.states.length > this.#request.statesSeen || !this.#sent)
        yield* this.#state(held ? early : run)
      yield* this.#lines()
      if (this.#request.logs && mayShowLog(run)) yield* this.#log(run)
      const missing = held ? this.#missing(run) : 0
      if (missing > 0 && this.#request.follow && (await this.#mayGoOn(run, seen))) continue
      if (missing > 0 && isFinal(run.state)) yield lostBytes(missing)
      if (held) yield* this.#state(run)
      if (isFinal(run.state) || !this.#request.follow) return
      await this.#feed.changed(seen)
    }
  }

  *#state(run: RunView): Generator<object> {
    if (this.#sent && sameForReader(this.#sent, run)) return
    if (this.#sent && this.#sent.states.length > run.states.length) return
    this.#sent = run
    yield { run: runToWire(run) }
  }

  *#lines(): Generator<object> {
    for (const { text, verbose, error } of this.#feed.takeLines()) yield { line: { text, verbose, error } }
  }

  async *#log(run: RunView): AsyncGenerator<object> {
    if (run.attempt === 0) return
    const { logs } = this.#parts
    if (run.attempt !== this.#attempt) {
      this.#attempt = run.attempt
      this.#offset = 0
      this.#tailWanted = undefined
      this.#times = undefined
    }
    const id = { runId: run.id, attempt: run.attempt }
    const end = await logs.length(id)
    if (this.#tailWanted !== undefined) this.#offset = await logs.tailOffset(id, this.#tailWanted, end)
    this.#tailWanted = undefined
    if (this.#offset >= end) return
    const times = this.#request.times ? await this.#timesOf(id) : []
    for await (const read of logs.read(id, this.#offset, end))
      for (const { data, atMs } of piecesByTime(times, this.#offset, read)) {
        yield { log: { attempt: run.attempt, offset: this.#offset, data, atMs } }
        this.#offset += data.length
      }
  }

  async #timesOf(id: AttemptId): Promise<readonly LogTime[]> {
    const now = { offset: this.#offset, atMs: this.#parts.clock.now() }
    if (this.#times) return [now]
    this.#times = await this.#parts.logs.times(id)
    return this.#times
  }

  /** Bytes of a log that has ended which were not sent. What has arrived since it was read last is among them. */
  #missing(run: RunView): number {
    return run.attempt === 0 ? 0 : Math.max(0, run.logBytes - this.#offset)
  }

  /** Waits for bytes on their way; false: there is nobody now who could bring them. */
  async #mayGoOn(run: RunView, seen: number): Promise<boolean> {
    if (!isFinal(run.state)) return await this.#feed.changed(seen)
    const outlook = this.#parts.leader.logOutlook(run.id)
    const changed = await this.#feed.changed(seen, outlook === 'over' ? 0 : lateLogMs)
    return changed || outlook === 'coming'
  }
}

function lostBytes(count: number): object {
  return { line: { text: `${count} bytes of this log have not arrived.`, verbose: false, error: true } }
}
