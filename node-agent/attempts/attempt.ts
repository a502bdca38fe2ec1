import { invariant } from '../../common/errors.js'
import {
  type Assignment,
  type AttemptId,
  attemptKey,
  type Report,
  type ReportEvent,
} from '../../proto/model/attempt.js'
import type { AttemptLine } from '../../proto/model/link.js'
import type { BootClock } from '../boot-clock.js'
import type { Journal } from '../journal/journal.js'
import type { Prepared } from '../runtimes/runtime.js'
import {
  type Assigned,
  type DatedReport,
  encodeAssigned,
  encodeFact,
  encodeReport,
  type Fact,
} from './entries.js'
import type { Untouched } from './folder-pool.js'
import { type AttemptFolders, foldersOf } from './folders.js'
import { type Intent, outranks } from './intent.js'
import { isBeforeStart, type Progress, progressAfter, type Restored } from './restore.js'

export interface AttemptParts {
  readonly attemptsFolder: string
  readonly journal: Journal
  readonly boot: BootClock
  /** Called once for each report, in order, after it has become durable. */
  readonly onReport: (report: Report) => void
  readonly onLine: (line: AttemptLine) => void
}

/** What one step hands to a later one of the same process; a later process finds it in the fact `starting`. */
export interface Parcel {
  prepared?: Prepared
  workingDirectory?: string
  /** How an empty `/spell` was before the run. */
  emptySpell?: Untouched
}

/** Why waiting or working for an attempt ends although it is not through. */
export class Cancelled extends Error {
  /** undefined: the agent ends, and leaves everything as it is. */
  readonly intent: Intent | undefined

  constructor(intent: Intent | undefined) {
    super(intent ? `The run was ended: ${intent.reason}` : 'The agent is being ended.')
    this.intent = intent
  }
}

/** One attempt on this node: what is known of it, and how that becomes durable. What is done with it: life.ts. */
export class Attempt {
  readonly assignment: Assignment
  readonly key: string
  readonly folders: AttemptFolders
  readonly assignedAtMs: number
  readonly parcel: Parcel = {}
  readonly #parts: AttemptParts
  readonly #work = new AbortController()
  readonly #watch = new AbortController()
  #progress: Progress
  #starting: Extract<Fact, { kind: 'starting' }> | undefined
  #intent: Extract<Fact, { kind: 'intent' }> | undefined
  #intentListener: () => void = () => undefined
  #lastReport: DatedReport | undefined
  #runningSinceMs: number | undefined
  #stateSinceMs: number
  #released = false

  /** As it was found in the journal, or new; then `assign` comes first. */
  constructor(from: { readonly assigned: Assigned } & Partial<Restored>, parts: AttemptParts) {
    this.assignment = from.assigned.assignment
    this.key = attemptKey(this.id)
    this.folders = foldersOf(parts.attemptsFolder, this.id)
    this.#parts = parts
    const sameBoot = from.assigned.bootId === parts.boot.bootId
    this.assignedAtMs = sameBoot ? from.assigned.atMs : 0
    this.#stateSinceMs = sameBoot ? from.assigned.atMs : parts.boot.now()
    this.#progress = from.progress ?? 'assigned'
    this.#starting = from.starting
    this.#intent = from.intent
    const comparable = (from.starting?.bootId ?? from.assigned.bootId) === parts.boot.bootId
    for (const dated of from.reports ?? []) this.#follow(dated, comparable)
    if (this.#intent?.intent.kind === 'kill' && !this.#mayRun())
      this.#work.abort(new Cancelled(this.#intent.intent))
  }

  get id(): AttemptId {
    return this.assignment.id
  }

  get progress(): Progress {
    return this.#progress
  }

  get starting(): Extract<Fact, { kind: 'starting' }> | undefined {
    return this.#starting
  }

  get intent(): { readonly intent: Intent } | undefined {
    return this.#intent
  }

  get lastReport(): number {
    return this.#lastReport?.report.number ?? 0
  }

  get released(): boolean {
    return this.#released
  }

  /** On the boot clock; undefined before the command runs. */
  get runningSinceMs(): number | undefined {
    return this.#runningSinceMs
  }

  /** Aborts when what is being done (other than running) shall not go on: a kill, or the end of the agent. */
  get work(): AbortSignal {
    return this.#work.signal
  }

  /** Aborts at the end of the agent only. */
  get watch(): AbortSignal {
    return this.#watch.signal
  }

  /** Makes a new attempt durable. */
  async assign(): Promise<void> {
    const { bootId } = this.#parts.boot
    const payload = encodeAssigned({ assignment: this.assignment, bootId, atMs: this.assignedAtMs })
    await this.#parts.journal.append('assigned', this.id, payload)
  }

  /** From when this resolves the command may be started. */
  async noteStarting(fact: Omit<Extract<Fact, { kind: 'starting' }>, 'kind' | 'bootId'>): Promise<void> {
    // Work may be cancelled while this becomes durable; from now on ending is the running step's business.
    this.work.throwIfAborted()
    this.#progress = 'starting'
    this.#starting = { kind: 'starting', bootId: this.#parts.boot.bootId, ...fact }
    await this.#parts.journal.append('fact', this.id, encodeFact(this.#starting))
  }

  /** Takes a wish in, if it changes anything. Before the command may run, a stop is a kill: there is nothing to save. */
  async wish(wished: Intent): Promise<void> {
    if (this.#progress === 'over') return
    const early = isBeforeStart(this.#progress)
    const intent = early ? asKill(wished) : wished
    if (!outranks(intent, this.#intent?.intent)) return
    // What has ended is saved whether or not someone wants it stopped.
    if (intent.kind === 'stop' && !this.#mayRun()) return
    const { bootId } = this.#parts.boot
    this.#intent = { kind: 'intent', intent, bootId, atMs: this.#parts.boot.now() }
    await this.#parts.journal.append('fact', this.id, encodeFact(this.#intent))
    // `starting` cancels nothing: the command is started and then ended in order. Nor does a stop: if the command has ended
    // meanwhile, what it wrote is saved.
    if (intent.kind === 'kill' && !this.#mayRun()) this.#work.abort(new Cancelled(intent))
    this.#intentListener()
  }

  onIntent(listener: () => void): void {
    this.#intentListener = listener
  }

  /** Resolves when the report is durable. Nobody needs to wait for that but who then destroys what it tells of. */
  async report(event: ReportEvent, options: { readonly released?: true } = {}): Promise<void> {
    invariant(this.#progress !== 'over', 'nothing follows a final report')
    const atMs = this.#parts.boot.now()
    if (options.released) this.#released = true
    const durationMs = Math.max(0, atMs - this.#stateSinceMs)
    const report = { id: this.id, number: this.lastReport + 1, durationMs, released: this.#released, event }
    this.#follow({ report, atMs }, true)
    // A kill that came when the command had just ended stops what would come next.
    if (this.#intent?.intent.kind === 'kill' && !this.#mayRun())
      this.#work.abort(new Cancelled(this.#intent.intent))
    await this.#parts.journal.append('report', this.id, encodeReport({ report, atMs }))
    this.#parts.onReport(report)
  }

  line(text: string, kind: 'plain' | 'verbose' | 'error' = 'plain'): void {
    this.#parts.onLine({ id: this.id, text, verbose: kind === 'verbose', error: kind === 'error' })
  }

  /** The agent ends: whoever waits for this attempt lets go, and leaves everything as it is. */
  leave(): void {
    this.#work.abort(new Cancelled(undefined))
    this.#watch.abort(new Cancelled(undefined))
  }

  #mayRun(): boolean {
    return this.#progress === 'starting' || this.#progress === 'running'
  }

  #follow(dated: DatedReport, sameBoot: boolean): void {
    this.#lastReport = dated
    if (sameBoot) this.#stateSinceMs = dated.atMs
    if (dated.report.released) this.#released = true
    const { event } = dated.report
    if (event.kind === 'reached' && event.state === 'running')
      this.#runningSinceMs = sameBoot ? dated.atMs : undefined
    const next = progressAfter(event)
    this.#progress = this.#starting && isBeforeStart(next) ? 'starting' : next
  }
}

function asKill(wished: Intent): Intent {
  const { reason, endedBy } = wished
  return endedBy === 'fence' ? { kind: 'kill', reason, endedBy } : { kind: 'kill', reason }
}
