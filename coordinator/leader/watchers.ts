import type { RunEvent, RunWatcher } from './types.js'

/** Who wants to hear of which run. */
export class Watchers {
  readonly #watchers = new Map<number, Set<RunWatcher>>()

  get any(): boolean {
    return this.#watchers.size > 0
  }

  has(runId: number): boolean {
    return this.#watchers.has(runId)
  }

  runIds(): Iterable<number> {
    return this.#watchers.keys()
  }

  /** Gives what ends it; that is safe to call twice. */
  add(runId: number, watcher: RunWatcher): () => void {
    const watchers = this.#watchers.get(runId) ?? new Set()
    this.#watchers.set(runId, watchers)
    // A wrapper of its own, so that one function may watch twice.
    const own: RunWatcher = (event) => watcher(event)
    watchers.add(own)
    return () => {
      watchers.delete(own)
      if (watchers.size === 0 && this.#watchers.get(runId) === watchers) this.#watchers.delete(runId)
    }
  }

  tell(runId: number, event: RunEvent): void {
    for (const watcher of this.#watchers.get(runId) ?? []) watcher(event)
  }
}
