import type { Clock } from '../../common/clock.js'
import { invariant } from '../../common/errors.js'
import type { AttemptLine } from '../../proto/model/link.js'
import type { RunView } from '../core/records.js'
import type { Leader } from '../leader.js'
import type { LogStore } from '../logs/log-store.js'
import type { RunLines } from './run-lines.js'

/** Lines that wait for a slow follower; older ones are left out. */
const mostLines = 1_000

export interface RunFeedParts {
  readonly leader: Leader
  readonly logs: LogStore
  readonly lines: RunLines
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What is new about one run: the newest view of it, lines about it, and a wake when these or its log have changed. */
export class RunFeed {
  readonly #parts: RunFeedParts
  readonly #runId: number
  readonly #unwatch: () => void
  readonly #abort = () => this.#wake()
  #run: RunView | undefined
  #lines: AttemptLine[] = []
  #wantsLog = false
  #attempt = 0
  #unwatchLog: () => void = () => undefined
  #rounds = 0
  #waiting: (() => void) | undefined

  /** Watches from now on, so that nothing is missed between the first look and the first event. */
  constructor(parts: RunFeedParts, runId: number) {
    this.#parts = parts
    this.#runId = runId
    this.#unwatch = parts.leader.watch(runId, (event) => {
      if (event.kind === 'run') this.#run = event.run
      else if (this.#lines.push(event.line) > mostLines) this.#lines.shift()
      this.#wake()
    })
    parts.signal.addEventListener('abort', this.#abort, { once: true })
  }

  /** `first`: as it was looked up; an event that has come meanwhile is at least as new. */
  begin(first: RunView, wantsLog: boolean): void {
    this.#run ??= first
    this.#lines = [...this.#parts.lines.of(this.#runId)]
    this.#wantsLog = wantsLog
  }

  get run(): RunView {
    invariant(this.#run, 'a feed is asked after it has begun')
    return this.#run
  }

  /** A mark for `changed`: everything read after this call is covered by it. */
  beginRound(): number {
    const { attempt } = this.run
    if (this.#wantsLog && attempt !== this.#attempt) {
      this.#unwatchLog()
      this.#attempt = attempt
      this.#unwatchLog = this.#parts.logs.onGrown({ runId: this.#runId, attempt }, () => this.#wake())
    }
    return this.#rounds
  }

  takeLines(): readonly AttemptLine[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  /** true once something has changed since `mark`; false when `patienceMs` have passed without. */
  async changed(mark: number, patienceMs?: number): Promise<boolean> {
    if (this.#rounds === mark)
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
        if (this.#parts.signal.aborted) resolve()
        else if (patienceMs !== undefined) {
          const timer = this.#parts.clock.timer(patienceMs, resolve)
          this.#waiting = () => {
            timer.cancel()
            resolve()
          }
        }
      })
    this.#parts.signal.throwIfAborted()
    return this.#rounds !== mark
  }

  close(): void {
    this.#unwatch()
    this.#unwatchLog()
    this.#parts.signal.removeEventListener('abort', this.#abort)
  }

  #wake(): void {
    this.#rounds += 1
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }
}
