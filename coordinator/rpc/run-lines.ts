import { LRUCache } from 'lru-cache'
import type { AttemptLine } from '../../proto/model/link.js'

const linesPerRun = 200
const runs = 5_000

/**
 * The newest lines that Spell itself has said about runs (a pull's progress, a limit), for those who look later. In
 * memory: a new leader begins without them.
 */
export class RunLines {
  readonly #runs = new LRUCache<number, AttemptLine[]>({ max: runs })

  take(lines: readonly AttemptLine[]): void {
    for (const line of lines) {
      const known = this.#runs.get(line.id.runId) ?? []
      if (known.push(line) > linesPerRun) known.shift()
      this.#runs.set(line.id.runId, known)
    }
  }

  of(runId: number): readonly AttemptLine[] {
    return this.#runs.get(runId) ?? []
  }
}
