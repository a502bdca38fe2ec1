import type { SegmentRecord } from '../core/records.js'
import { indexIn } from './segment.js'

/**
 * Which segment a run is in. Segments are kept by their first id; since runs leave about in order, only few begin before
 * an id and end behind it.
 */
export class SegmentIndex {
  /** Ordered by first id. */
  readonly #segments: SegmentRecord[] = []
  /** The largest last id of each segment and all before it, so that a search knows when to end. */
  readonly #reach: number[] = []
  readonly #projects = new Map<string, number>()
  #newest = 0
  #runs = 0

  /** Number of the newest segment; 0: none. */
  get newest(): number {
    return this.#newest
  }

  get runs(): number {
    return this.#runs
  }

  get highestRunId(): number {
    return this.#reach.at(-1) ?? 0
  }

  inProject(name: string): number {
    return this.#projects.get(name) ?? 0
  }

  add(segment: SegmentRecord): void {
    this.#newest = Math.max(this.#newest, segment.number)
    this.#runs += segment.count
    for (const [name, count] of Object.entries(segment.projects))
      this.#projects.set(name, this.inProject(name) + count)
    const index = this.#after(firstId(segment))
    this.#segments.splice(index, 0, segment)
    this.#reach.length = index
    for (const { ranges } of this.#segments.slice(index))
      this.#reach.push(Math.max(this.#reach.at(-1) ?? 0, ranges.at(-1) ?? 0))
  }

  find(id: number): SegmentRecord | undefined {
    for (let index = this.#after(id) - 1; index >= 0; index -= 1) {
      if ((this.#reach[index] ?? 0) < id) return undefined
      const segment = this.#segments[index]
      if (segment && indexIn(segment.ranges, id) !== undefined) return segment
    }
    return undefined
  }

  /** How many segments begin at or before this id. */
  #after(id: number): number {
    let low = 0
    let high = this.#segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const segment = this.#segments[middle]
      if (segment && firstId(segment) <= id) low = middle + 1
      else high = middle
    }
    return low
  }
}

function firstId({ ranges }: SegmentRecord): number {
  return ranges[0] ?? 0
}
