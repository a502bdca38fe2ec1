import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import type { SystemLine__Output } from '../../proto/gen/spell/v1/SystemLine.js'
import { isFinal, type RunState, runStates, stateFromWire } from '../../proto/model/run-state.js'
import { goDuration } from '../output/duration.js'
import type { Screen } from '../output/screen.js'
import { printable } from '../output/style.js'
import { emojiOf, endings, isWaiting, runTimeMs, waitingFor, waitingTitle } from './words.js'

/** States that a reader should see only after the last byte of the log. */
const afterTheLog: ReadonlySet<RunState> = new Set(
  runStates.filter((state) => state === 'saving' || state === 'pushing' || isFinal(state)),
)

export interface StorySettings {
  readonly verbose: boolean
  /** Whether states are told that were entered before the story begins; `log alone` tells no states at all. */
  readonly past: 'told' | 'skipped' | 'log alone'
}

/** Tells a run as people read it: a line for each state, the run's own output, and how it ended. */
export class Story {
  readonly #settings: StorySettings
  readonly #screen: Screen
  #run: Run__Output | undefined
  #told = 0
  /** The state whose waiting line is open. */
  #open: RunState | undefined
  #logAttempt = 0
  #logOffset = 0
  #lastMessage = ''
  #errorShown = false
  #reconnected = false
  readonly #shownLines = new Set<string>()

  constructor(screen: Screen, settings: StorySettings) {
    this.#screen = screen
    this.#settings = settings
  }

  get run(): Run__Output | undefined {
    return this.#run
  }

  async onRun(run: Run__Output): Promise<void> {
    const past = this.#settings.past
    if (past === 'log alone' || (past === 'skipped' && this.#run === undefined))
      this.#told = run.states.length
    this.#run = run
    await this.#tell('as far as the log has come')
  }

  async onLog(attempt: number, offset: number, data: Buffer): Promise<void> {
    this.#logAttempt = attempt
    this.#logOffset = offset + data.length
    await this.#screen.bytes(data)
    await this.#tell('as far as the log has come')
  }

  async onLine(line: SystemLine__Output): Promise<void> {
    const text = printable(line.text)
    if (this.#reconnected && this.#shownLines.has(text)) return
    if (line.verbose && !line.error && !this.#settings.verbose) {
      if (this.#open) this.#screen.waiting(`${waitingTitle(this.#open, this.#screen.style)} ${text}`)
      return
    }
    if (this.#shownLines.size < 1000) this.#shownLines.add(text)
    if (line.error) this.#errorShown = true
    await this.#screen.line(line.error ? '💥' : '✨', text)
  }

  onLost(reason: string): void {
    this.#reconnected = true
    const dots = this.#screen.style.ellipsis
    this.#screen.note(`Lost sight of the run: ${reason.replace(/\.$/, '')}. It goes on; trying again${dots}`)
  }

  onBack(): void {
    this.#screen.note('Following again.')
  }

  /** The stream is over: whatever was held back for the log's sake is told now. */
  async end(): Promise<void> {
    await this.#tell('everything')
    this.#screen.stopWaiting()
    const run = this.#run
    await this.#leaveWaiting(run)
    if (!run || !this.#errorShown || this.#settings.verbose) return
    const hint = `Use 'spell logs ${run.id} --verbose' to examine cause of error.`
    await this.#screen.line('ℹ️ ', hint)
  }

  async #tell(extent: 'everything' | 'as far as the log has come'): Promise<void> {
    const run = this.#run
    if (!run) return
    for (; this.#told < run.states.length; this.#told++) {
      const state = stateFromWire(run.states[this.#told]?.state ?? '')
      if (extent !== 'everything' && afterTheLog.has(state) && !this.#logIsComplete(run)) return
      await this.#enter(state, run, this.#told === run.states.length - 1)
    }
    await this.#message(run)
  }

  #logIsComplete(run: Run__Output): boolean {
    if (run.logBytes === 0) return true
    return this.#logAttempt === run.attempt && this.#logOffset >= run.logBytes
  }

  async #enter(state: RunState, run: Run__Output, newest: boolean): Promise<void> {
    await this.#close(state)
    // Why a run was stopped has been told; it is not what Saving waits for.
    this.#lastMessage = afterTheLog.has(state) ? essenceOf(run) : ''
    if (isFinal(state)) return await this.#finish(state, run)
    if (state === 'user_requested' && !(newest && run.reason)) return
    if (state === 'mounting' && run.spec?.mounts.length === 0) return
    if (isWaiting(state)) {
      this.#open = state
      if (this.#screen.style.spinner) this.#screen.waiting(waitingTitle(state, this.#screen.style))
      else await this.#screen.line(emojiOf(state), `Run is ${state}`)
      return
    }
    await this.#screen.line(emojiOf(state), `Run is ${state}`)
  }

  /** Ends the waiting line of the state before: with `done` when the run went on from there, else without a word. */
  async #close(next: RunState): Promise<void> {
    const state = this.#open
    this.#open = undefined
    this.#screen.stopWaiting()
    if (state === undefined || !this.#screen.style.spinner || !wentOn(state, next)) return
    await this.#screen.line('✨', `${waitingTitle(state, this.#screen.style)} done`)
  }

  /** Where the line of a waiting run moved, and nobody follows the run further, its last words stay. */
  async #leaveWaiting(run: Run__Output | undefined): Promise<void> {
    if (!run || this.#open === undefined || !this.#screen.style.spinner) return
    const line = `${waitingTitle(this.#open, this.#screen.style)} ${printable(waitingFor(run))}`
    await this.#screen.line(emojiOf(this.#open), line.trimEnd())
  }

  /** What a waiting run waits for, on its line or, where nothing moves, on a line of its own when it changes. */
  async #message(run: Run__Output): Promise<void> {
    if (this.#open === undefined || stateFromWire(run.state) !== this.#open) return
    const message = printable(waitingFor(run))
    const essence = essenceOf(run)
    if (message === '' || essence === this.#lastMessage) return
    const title = waitingTitle(this.#open, this.#screen.style)
    if (this.#screen.style.spinner) return this.#screen.waiting(`${title} ${message}`)
    if (run.reason === '') return
    this.#lastMessage = essence
    await this.#screen.line('✨', `${title} ${message}`)
  }

  async #finish(state: RunState, run: Run__Output): Promise<void> {
    const reason = printable(run.reason)
    const good = state === 'complete' || (state === 'stopped' && reason === '')
    if (!good && reason !== '' && !this.#shownLines.has(reason)) {
      const failed = emojiOf(state) === '💥'
      if (failed) this.#errorShown = true
      await this.#screen.line(emojiOf(state), reason)
    }
    if (run.exitCode || run.outOfMemory) {
      await this.#screen.line(
        '✨',
        `Exit code: ${run.exitCode ?? '?'}${run.outOfMemory ? ' (out of memory)' : ''}`,
      )
    }
    const time = runTimeMs(run)
    if (time !== undefined) await this.#screen.line(emojiOf(state), `Total run time: ${goDuration(time)}`)
    await this.#screen.line(emojiOf(state), `Run ${run.id} ${endings[state] ?? state}`)
  }
}

/** Whether entering `next` means that the step of `state` has been done. */
function wentOn(state: RunState, next: RunState): boolean {
  if (next === 'complete' || next === 'stopped') return state === 'saving' || state === 'pushing'
  return !isFinal(next) && next !== 'killing' && runStates.indexOf(next) > runStates.indexOf(state)
}

/** What a run waits for, but for its place in the queue. */
function essenceOf(run: Run__Output): string {
  return printable(waitingFor(run)).replace(/,? position \d+/, '')
}
