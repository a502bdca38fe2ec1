import type { Clock } from '../../common/clock.js'
import type { Log } from '../../common/log.js'
import type { Schema } from '../core/schema.js'
import type { Writes } from './writes.js'

export interface RaiseSchemaParts {
  readonly clock: Clock
  readonly log: Log
  readonly schema: Schema
  readonly writes: Pick<Writes, 'schemaPut' | 'commit'>
  /** The highest version that each coordinator reads which is on the list; undefined: the list was not read yet. */
  recordVersions(): readonly number[] | undefined
}

/**
 * Raises the version that records are written in to the highest that every coordinator reads, once that has been so for a
 * while. It is never lowered: a coordinator that reads less and comes later cannot lead, and says so.
 */
export class RaiseSchema {
  readonly #afterMs: number
  readonly #parts: RaiseSchemaParts
  #sinceMs: number | undefined

  constructor(afterMs: number, parts: RaiseSchemaParts) {
    this.#afterMs = afterMs
    this.#parts = parts
  }

  /** Called now and then. */
  look(): void {
    const { clock, log, schema, writes, recordVersions } = this.#parts
    const versions = recordVersions()
    const common = versions ? Math.min(schema.newest, ...versions) : 0
    if (common <= schema.written) {
      this.#sinceMs = undefined
      return
    }
    const nowMs = clock.monotonic()
    this.#sinceMs ??= nowMs
    if (nowMs - this.#sinceMs < this.#afterMs) return
    // Whatever is written from now on is committed with this or after it.
    schema.write(common)
    writes.commit([writes.schemaPut(common)]).catch(() => {})
    log.info(
      'Records are written in a new version from now on: no coordinator of an older one can lead any more',
      {
        version: common,
      },
    )
  }
}

export function schemaValue(version: number): string {
  return JSON.stringify({ v: 1, records: version })
}

export function recordVersionIn(value: string): number {
  return (JSON.parse(value) as { readonly records: number }).records
}
