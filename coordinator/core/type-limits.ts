import { madeKey } from './made-types.js'

/** How many runs each made type may have at once, and which have one now. */
export class TypeLimits {
  /** By the key of the type's demands. */
  readonly #limits = new Map<string, number>()
  /** By the same key: attempts that hold something, with their runs. */
  readonly #holding = new Map<string, Map<string, number>>()

  /** 0: no limit. */
  set(typeName: string, limit: number): void {
    if (limit > 0) this.#limits.set(madeKey(typeName), limit)
    else this.#limits.delete(madeKey(typeName))
  }

  limit(demandKey: string): number | undefined {
    return this.#limits.get(demandKey)
  }

  hold(demandKey: string, attemptKey: string, runId: number): void {
    const holding = this.#holding.get(demandKey) ?? new Map<string, number>()
    this.#holding.set(demandKey, holding.set(attemptKey, runId))
  }

  release(demandKey: string, attemptKey: string): void {
    const holding = this.#holding.get(demandKey)
    if (holding?.delete(attemptKey) && holding.size === 0) this.#holding.delete(demandKey)
  }

  /** The runs that have one, in order. */
  holders(demandKey: string): readonly number[] {
    return [...new Set(this.#holding.get(demandKey)?.values())].sort((a, b) => a - b)
  }

  /** Whether this run must wait. What an old attempt of its own still holds does not count against it. */
  isReached(demandKey: string, runId: number): boolean {
    const limit = this.#limits.get(demandKey)
    if (limit === undefined) return false
    const holding = this.#holding.get(demandKey)
    if (!holding || holding.size < limit) return false
    return this.holders(demandKey).filter((holder) => holder !== runId).length >= limit
  }
}
