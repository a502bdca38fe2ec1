import { isFinal } from '../../proto/model/run-state.js'
import type { Term } from './term.js'
import { viewOf } from './views.js'

const minuteMs = 60_000

/**
 * Tells watchers what changes about a run without an event of its own: its place in the queue, why it waits, and for how
 * many minutes its node has not been heard. Only watched runs cost anything.
 */
export class WaitingNews {
  readonly #term: Term
  #told = new Map<number, string>()

  constructor(term: Term) {
    this.#term = term
  }

  tell(): void {
    const { memory, links, watchers, writes } = this.#term
    const told = new Map<number, string>()
    for (const runId of watchers.runIds()) {
      const entry = memory.runs.get(runId)
      if (!entry || isFinal(entry.record.state)) continue
      const run = viewOf(memory, links, entry)
      const silentMinutes = run.nodeUnreachableMs === 0 ? -1 : Math.floor(run.nodeUnreachableMs / minuteMs)
      const news = `${run.state} ${run.queuePosition} ${silentMinutes} ${run.reason}`
      told.set(runId, news)
      const before = this.#told.get(runId)
      if (before === news) continue
      writes.seen().then(
        () => watchers.tell(runId, { kind: 'run', run }),
        () => {},
      )
    }
    this.#told = told
  }
}
