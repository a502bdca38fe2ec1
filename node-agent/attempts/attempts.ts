import { createHash } from 'node:crypto'
import { messageOf, unreachable } from '../../common/errors.js'
import { runSpecToWire } from '../../proto/convert/run-spec.js'
import type { RunSpec__Output } from '../../proto/gen/spell/v1/RunSpec.js'
import { type Assignment, type AttemptId, attemptKey, type Report } from '../../proto/model/attempt.js'
import type { AttemptLine, HeldAttempt, Order } from '../../proto/model/link.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import { codec } from '../../proto/wire.js'
import type { Journal } from '../journal/journal.js'
import type { Outbox } from '../link/outbox.js'
import type { LogShipper } from '../logs/log-shipper.js'
import type { StepParts } from '../steps/step-parts.js'
import type { Steps } from '../steps/steps.js'
import { logLimitOf } from '../steps/task.js'
import { Attempt } from './attempt.js'
import type { Cleaner } from './cleaner.js'
import { live } from './life.js'
import { isBeforeStart, restore } from './restore.js'

export interface AttemptsSettings {
  readonly attemptsFolder: string
  /** More are not taken, whatever the leader says. */
  readonly maxAttempts: number
}

export interface AttemptsParts extends StepParts {
  readonly journal: Journal
  readonly outbox: Outbox
  readonly shipper: LogShipper
  readonly cleaner: Cleaner
  readonly steps: Steps
  /** There is something to be sent: a report, or an attempt that was forgotten. */
  readonly onReport: () => void
  readonly onLine: (line: AttemptLine) => void
  readonly onForgotten: (id: AttemptId) => void
}

interface Held {
  readonly attempt: Attempt
  /** Its last report is final and durable, and nobody works on it. */
  over: boolean
  /** No byte of its log is needed any more. */
  logSafe: boolean
  forgetting: boolean
}

/** Every attempt that this node has and has not been let go of. */
export class Attempts {
  readonly #settings: AttemptsSettings
  readonly #parts: AttemptsParts
  readonly #held = new Map<string, Held>()
  /** Not taken; the leader has not answered that yet. */
  readonly #refused = new Set<string>()

  constructor(settings: AttemptsSettings, parts: AttemptsParts) {
    this.#settings = settings
    this.#parts = parts
  }

  has(id: AttemptId): boolean {
    return this.#held.has(attemptKey(id))
  }

  all(): readonly Attempt[] {
    return [...this.#held.values()].map(({ attempt }) => attempt)
  }

  /** UUIDs of the devices of those whose last process may still run. */
  heldGpus(): ReadonlySet<string> {
    const holding = this.all().filter((attempt) => !attempt.released)
    return new Set(holding.flatMap((attempt) => attempt.assignment.gpuUuids))
  }

  /** Takes up everything that the journal has. To be called once, before the link opens. */
  restore(): void {
    for (const entries of this.#parts.journal.attempts.values()) {
      const restored = restore(entries)
      const attempt = new Attempt(restored, this.#attemptParts())
      for (const { report } of restored.reports) this.#parts.outbox.add(report)
      const held = this.#hold(attempt)
      this.#addLog(attempt, isBeforeStart(attempt.progress) ? 'fresh' : 'restored')
      const logBytes = restored.reports
        .map(({ report }) => finalLogBytes(report))
        .find((bytes) => bytes !== undefined)
      if (logBytes !== undefined) this.#parts.shipper.finish(attempt.id, logBytes)
      this.#begin(held)
    }
  }

  heldForHello(): readonly HeldAttempt[] {
    return this.all().map((attempt) => ({
      id: attempt.id,
      lastReport: attempt.lastReport,
      specSha256: specSha256(attempt.assignment.spec),
      released: attempt.released,
      ended: attempt.progress === 'over',
    }))
  }

  /** What the leader wants of an attempt; `tell` gets the assignment of one that it asks about. */
  take(order: Order, tell: (assignment: Assignment) => void): void {
    const held = this.#held.get(attemptKey(order.id))
    if (order.lastAppliedReport > 0) this.answered(order.id, order.lastAppliedReport)
    if (order.wanted === 'start') {
      // One that was refused stays refused: the leader frees its devices as soon as that has got through.
      const refused = this.#refused.has(attemptKey(order.id))
      if (!held && !refused && order.assignment) this.#start(order.assignment)
      return
    }
    if (!held) this.#parts.onForgotten(order.id)
    else this.#steer(held, order, tell)
  }

  /** Reports up to this number have been taken, or refused. */
  answered(id: AttemptId, number: number): void {
    this.#parts.outbox.answered(id, number)
    const held = this.#held.get(attemptKey(id))
    if (held) this.#forgetIfDone(held)
    else if (this.#refused.delete(attemptKey(id))) this.#parts.onForgotten(id)
  }

  logIsSafe(id: AttemptId): void {
    const held = this.#held.get(attemptKey(id))
    if (!held) return
    held.logSafe = true
    this.#forgetIfDone(held)
  }

  /** The agent ends; runs go on. */
  leave(): void {
    for (const { attempt } of this.#held.values()) attempt.leave()
  }

  #steer({ attempt }: Held, order: Order, tell: (assignment: Assignment) => void): void {
    const { graceMs } = attempt.assignment
    const reason = order.reason
    switch (order.wanted) {
      case 'start':
      case 'keep':
        break
      case 'describe':
        tell(attempt.assignment)
        break
      case 'stop_and_save':
        this.#parts.inBackground(attempt.wish({ kind: 'stop', endedBy: 'stop', reason, graceMs }))
        break
      case 'kill':
        this.#parts.inBackground(attempt.wish({ kind: 'kill', reason }))
        break
      case 'forget':
        if (attempt.progress === 'over') this.answered(attempt.id, attempt.lastReport)
        // Whatever it still tells will be refused, and then let go of.
        else
          this.#parts.inBackground(
            attempt.wish({ kind: 'kill', reason: reason || 'It is not wanted any more.' }),
          )
        break
      default:
        unreachable(order.wanted)
    }
  }

  #start(assignment: Assignment): void {
    if (this.#held.size >= this.#settings.maxAttempts) {
      this.#refuse(assignment, `The node holds ${this.#held.size} runs, as many as it takes.`)
      return
    }
    const { boot } = this.#parts
    const assigned = { assignment, bootId: boot.bootId, atMs: boot.now() }
    const held = this.#hold(new Attempt({ assigned }, this.#attemptParts()))
    held.attempt.assign().then(
      () => {
        this.#parts.failpoints.reach('assigned')
        this.#addLog(held.attempt, 'fresh')
        this.#begin(held)
      },
      (error: unknown) => {
        this.#held.delete(held.attempt.key)
        this.#refuse(assignment, messageOf(error))
      },
    )
  }

  /** The leader hears why; nothing is kept. Should that get lost, it finds the attempt missing in the next hello. */
  #refuse({ id }: Assignment, reason: string): void {
    const event = {
      kind: 'failed',
      step: 'building',
      reason,
      killed: false,
      lost: false,
      logBytes: 0,
    } as const
    this.#refused.add(attemptKey(id))
    this.#parts.outbox.add({ id, number: 1, durationMs: 0, released: true, event })
    this.#parts.onReport()
  }

  #hold(attempt: Attempt): Held {
    const held: Held = { attempt, over: false, logSafe: false, forgetting: false }
    this.#held.set(attempt.key, held)
    return held
  }

  #addLog(attempt: Attempt, origin: 'fresh' | 'restored'): void {
    const limitBytes = logLimitOf(attempt, this.#parts.settings)
    this.#parts.shipper.add({ id: attempt.id, file: attempt.folders.output, limitBytes, origin })
  }

  #begin(held: Held): void {
    const { steps, cleaner } = this.#parts
    const { attempt } = held
    const life = live(attempt, steps, this.#parts).then(async () => {
      if (attempt.progress !== 'over') return
      await cleaner.takeDown(attempt, steps)
      this.#parts.failpoints.reach('removed')
      held.over = true
      this.#forgetIfDone(held)
    })
    this.#parts.inBackground(life)
  }

  #forgetIfDone(held: Held): void {
    const { attempt } = held
    const { journal, outbox, cleaner, folders } = this.#parts
    if (!held.over || !held.logSafe || held.forgetting || outbox.hasUnanswered(attempt.id)) return
    held.forgetting = true
    const forgotten = journal.append('forgotten', attempt.id, Buffer.alloc(0)).then(async () => {
      this.#parts.failpoints.reach('forgotten')
      this.#held.delete(attempt.key)
      this.#parts.onForgotten(attempt.id)
      const { emptySpell } = attempt.parcel
      if (!emptySpell || !folders.giveBack(attempt.folders, emptySpell)) await cleaner.removeFolder(attempt)
    })
    this.#parts.inBackground(forgotten)
  }

  #attemptParts() {
    const { journal, boot, outbox, onLine } = this.#parts
    const onReport = (report: Report) => {
      outbox.add(report)
      this.#parts.onReport()
    }
    return { attemptsFolder: this.#settings.attemptsFolder, journal, boot, onReport, onLine }
  }
}

function finalLogBytes({ event }: Report): number | undefined {
  return event.kind === 'ended' || event.kind === 'failed' ? event.logBytes : undefined
}

/** Of the spec as it travels. */
export function specSha256(spec: RunSpec): string {
  const bytes = codec<RunSpec__Output>('RunSpec').encode(runSpecToWire(spec))
  return createHash('sha256').update(bytes).digest('hex')
}
