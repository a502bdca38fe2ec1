import type { RunRecord } from '../core/records.js'
import { RunQueue } from '../core/run-queue.js'
import { concurrentStates } from '../core/run-states.js'

/** How many runs each user has in the queue for machines or on one, and which wait for that number to fall. */
export class Concurrency {
  readonly #counts = new Map<string, number>()
  readonly #waiting = new Map<string, RunQueue>()

  count(user: string): number {
    return this.#counts.get(user) ?? 0
  }

  waiting(user: string): number {
    return this.#waiting.get(user)?.size ?? 0
  }

  /** Users who have runs that wait. */
  waitingUsers(): readonly string[] {
    return [...this.#waiting.keys()]
  }

  /** The user's oldest waiting run. */
  oldest(user: string): number | undefined {
    return this.#waiting.get(user)?.oldest
  }

  position(user: string, runId: number): number {
    return this.#waiting.get(user)?.position(runId) ?? 0
  }

  /** Takes in a run's change; `before` is undefined for a new one. Says whether a place became free. */
  changed(user: string, before: RunRecord | undefined, after: RunRecord): boolean {
    const was = before !== undefined && concurrentStates.has(before.state)
    const is = concurrentStates.has(after.state)
    if (was !== is) this.#counts.set(user, this.count(user) + (is ? 1 : -1))
    if (before?.state === after.state) return false
    if (before?.state === 'user_requested') this.#leave(user, after.id)
    if (after.state === 'user_requested') this.#enter(user, after.id)
    return was && !is
  }

  #enter(user: string, runId: number): void {
    const queue = this.#waiting.get(user) ?? new RunQueue()
    this.#waiting.set(user, queue)
    queue.add(runId)
  }

  #leave(user: string, runId: number): void {
    const queue = this.#waiting.get(user)
    queue?.delete(runId)
    if (queue?.size === 0) this.#waiting.delete(user)
  }
}
