import { RpcError } from '../../common/errors.js'
import type { CommitQueue, KeyValue, Unit } from '../../coordinator/leader/types.js'

interface Waiting {
  readonly unit: Unit
  resolve(): void
  reject(reason: unknown): void
}

/**
 * A commit queue whose etcd is a map. Commits each turn of the loop what the turn before added, unless it is held; can be
 * made to lose leadership at any commit, with that commit done or not.
 */
export class MemoryCommitQueue implements CommitQueue {
  readonly stored: Map<string, string>
  /** Every unit committed, in order. */
  readonly committed: Unit[] = []
  keepsHistory = true
  /** Units committed so far, and after which of them leadership is lost; its answer never comes. */
  count = 0
  failAfter = Number.POSITIVE_INFINITY
  /** Whether the unit at which leadership is lost is still committed. */
  lastIsCommitted = false
  lost = false
  #held = false
  #waiting: Waiting[] = []
  #scheduled = false
  #last: Promise<void> = Promise.resolve()

  constructor(stored = new Map<string, string>()) {
    this.stored = stored
  }

  add(unit: Unit): Promise<void> {
    if (this.lost) return this.#rejected()
    const keys = [...unit.puts.map(({ key }) => key), ...unit.deletes]
    if (new Set(keys).size !== keys.length) throw new Error(`a unit names a key twice: ${keys.join(' ')}`)
    if (keys.length > 127) throw new Error(`a unit of ${keys.length} keys fits no transaction`)
    this.#last = new Promise((resolve, reject) => this.#waiting.push({ unit, resolve, reject }))
    this.#last.catch(() => {})
    this.#schedule()
    return this.#last
  }

  flushed(): Promise<void> {
    if (this.lost) return this.#rejected()
    return this.#waiting.length === 0 ? Promise.resolve() : this.#last
  }

  hasRoom(): boolean {
    return this.#waiting.length < 20_000
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Nothing is committed until `release`. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#schedule()
  }

  /** Another leads now: nothing more is committed here. */
  fence(): void {
    if (!this.lost) this.#lose([])
  }

  /** In the order of keys. */
  entries(): readonly KeyValue[] {
    return [...this.stored].map(([key, value]) => ({ key, value })).sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #schedule(): void {
    if (this.#scheduled || this.#held || this.#waiting.length === 0) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (!this.#held) this.#commit()
    })
  }

  #commit(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const [index, { unit, resolve }] of waiting.entries()) {
      this.count += 1
      if (this.count > this.failAfter) {
        if (this.lastIsCommitted) this.#store(unit)
        this.#lose(waiting.slice(index))
        return
      }
      this.#store(unit)
      resolve()
    }
  }

  #store(unit: Unit): void {
    if (this.keepsHistory) this.committed.push(unit)
    for (const { key, value } of unit.puts) this.stored.set(key, value)
    for (const key of unit.deletes) this.stored.delete(key)
  }

  #lose(waiting: readonly Waiting[]): void {
    this.lost = true
    const all = [...waiting, ...this.#waiting]
    this.#waiting = []
    for (const { reject } of all) reject(lostError())
  }

  #rejected(): Promise<void> {
    const rejected = Promise.reject<void>(lostError())
    rejected.catch(() => {})
    return rejected
  }
}

function lostError(): RpcError {
  return new RpcError('UNAVAILABLE', 'This coordinator does not lead any more.')
}
