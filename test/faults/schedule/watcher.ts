import { systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import type { Channel } from '../../../proto/channel.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import { isFinal, type RunState, stateFromWire } from '../../../proto/model/run-state.js'
import { method } from '../../../proto/wire.js'

const followMethod = method<object, FollowEvent__Output>('Runs', 'Follow')
const worthRepeating = new Set(['UNAVAILABLE', 'CANCELLED', 'ABORTED', 'DEADLINE_EXCEEDED', 'INTERNAL'])

/** Somebody who follows a run to its end, over whatever breaks, and looks at what is said. */
export class Watcher {
  readonly runId: number
  /** Broken promises, each a sentence. */
  readonly faults: string[] = []
  /** Resolves when the run's end was seen. */
  readonly over: Promise<void>
  #attempt = 0
  #pieces: Buffer[] = []
  #offset = 0
  #missing = false
  #statesSeen = 0
  #final: RunState | undefined

  constructor(channel: Channel, runId: number, signal: AbortSignal) {
    this.runId = runId
    this.over = this.#follow(channel, signal)
  }

  get attempt(): number {
    return this.#attempt
  }

  get final(): RunState | undefined {
    return this.#final
  }

  get log(): string {
    return Buffer.concat(this.#pieces).toString()
  }

  /** It was told that bytes are missing: their node was away for too long. */
  get wasToldOfMissing(): boolean {
    return this.#missing
  }

  async #follow(channel: Channel, signal: AbortSignal): Promise<void> {
    while (!this.#final) {
      const [attempt, offset, statesSeen] = [this.#attempt, this.#offset, this.#statesSeen]
      const request = { runId: this.runId, follow: true, logs: true, attempt, offset, statesSeen }
      try {
        for await (const event of channel.serverStream(followMethod, request, { signal })) this.#take(event)
      } catch (error) {
        if (!(error instanceof RpcError) || !worthRepeating.has(error.code)) throw error
      }
      if (!this.#final) await systemClock.sleep(100, signal)
    }
  }

  #take({ run, log, line }: FollowEvent__Output): void {
    if (run) {
      const state = stateFromWire(run.state)
      if (this.#final && state !== this.#final)
        this.faults.push(`${this.#told} ${this.#final}, then ${state}`)
      if (isFinal(state)) this.#final = state
      this.#statesSeen = run.states.length
    }
    if (line?.error && line.text.includes('have not arrived')) this.#missing = true
    if (!log) return
    if (log.attempt > this.#attempt) {
      this.#attempt = log.attempt
      this.#pieces = []
      this.#offset = 0
    }
    if (log.attempt < this.#attempt || log.offset !== this.#offset)
      this.faults.push(
        `${this.#told} byte ${log.offset} of attempt ${log.attempt} where byte ${this.#offset} of ${this.#attempt} was next`,
      )
    this.#pieces.push(log.data)
    this.#offset = log.offset + log.data.length
  }

  get #told(): string {
    return `who followed run ${this.runId} was told`
  }
}
