import { type AttemptId, attemptKey, type Report } from '../../proto/model/attempt.js'

/** Durable reports that the leader has not answered. What was sent on a link that broke is sent again on the next. */
export class Outbox {
  readonly #unanswered = new Map<string, Report[]>()
  #unsent: Report[] = []

  /** In order, within an attempt. */
  add(report: Report): void {
    const key = attemptKey(report.id)
    const known = this.#unanswered.get(key)
    if (known) known.push(report)
    else this.#unanswered.set(key, [report])
    this.#unsent.push(report)
  }

  get hasUnsent(): boolean {
    return this.#unsent.length > 0
  }

  /** The next to be sent, in order, at most `count`. */
  take(count: number): readonly Report[] {
    const taken = this.#unsent.slice(0, count)
    this.#unsent = this.#unsent.slice(count)
    return taken.filter((report) => this.#isUnanswered(report))
  }

  /** Everything that is unanswered will be sent again. */
  rewind(): void {
    this.#unsent = [...this.#unanswered.values()].flat()
  }

  /** Lets go of an attempt's reports up to and with this number. */
  answered(id: AttemptId, number: number): void {
    const key = attemptKey(id)
    const left = (this.#unanswered.get(key) ?? []).filter((report) => report.number > number)
    if (left.length > 0) this.#unanswered.set(key, left)
    else this.#unanswered.delete(key)
  }

  hasUnanswered(id: AttemptId): boolean {
    return this.#unanswered.has(attemptKey(id))
  }

  #isUnanswered({ id, number }: Report): boolean {
    const oldest = this.#unanswered.get(attemptKey(id))?.[0]
    return oldest !== undefined && oldest.number <= number
  }
}
