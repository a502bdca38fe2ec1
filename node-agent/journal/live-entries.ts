import { attemptKey } from '../../proto/model/attempt.js'
import { type Entry, overheadBytes, unpack } from './record.js'

/** How an entry stands to what was known of its attempt: it adds to that, replaces it, or leaves nothing. */
export type Effect = 'adds' | 'replaces' | 'nothing'

/** The entries of every attempt that count, as they would be read back. */
export class LiveEntries {
  readonly #byAttempt = new Map<string, Entry[]>()
  #bytes = 0

  get byAttempt(): ReadonlyMap<string, readonly Entry[]> {
    return this.#byAttempt
  }

  /** What writing all of them anew would take. */
  get bytes(): number {
    return this.#bytes
  }

  take(entry: Entry): Effect {
    const key = attemptKey(entry.id)
    const known = this.#byAttempt.get(key)
    switch (entry.kind) {
      case 'assigned':
        this.#replace(key, [entry])
        return 'replaces'
      case 'moved':
        this.#replace(key, [...unpack(entry.payload)])
        return 'replaces'
      case 'report':
      case 'fact':
        if (!known) return 'nothing'
        known.push(entry)
        this.#bytes += overheadBytes + entry.payload.length
        return 'adds'
      default:
        this.#replace(key, undefined)
        return 'nothing'
    }
  }

  #replace(key: string, entries: Entry[] | undefined): void {
    this.#bytes -= sizeOf(this.#byAttempt.get(key) ?? [])
    this.#bytes += sizeOf(entries ?? [])
    if (entries) this.#byAttempt.set(key, entries)
    else this.#byAttempt.delete(key)
  }
}

/** In bytes, written as records. */
export function sizeOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + overheadBytes + entry.payload.length, 0)
}
