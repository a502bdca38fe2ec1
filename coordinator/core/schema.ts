import { RpcError } from '../../common/errors.js'
import { schemaVersion } from './record-codec.js'

// Which version of the records' schema is read, and which is written (docs/upgrades.md). This program works with its own
// version; where a text comes from etcd or the archive, or goes there, it is brought from one version to another, a step a
// version. As long as a coordinator of the version before may come to lead, its version is what is written.

/** A record as JSON has it, without its version. */
export type Fields = Readonly<Record<string, unknown>>

/** How records of one version differ from those of the one before. */
export interface SchemaStep {
  /** The later version. */
  readonly to: number
  up(record: Fields): Fields
  /** For everything that a coordinator of the version before could have written, `down(up(record))` is that record. */
  down(record: Fields): Fields
}

/** From version 1 on, ascending. The last one leads to `schemaVersion`. */
const steps: readonly SchemaStep[] = []

/** For tests: what a later version may do at its worst, so that nobody reads it by accident. */
const madeUp = (to: number): SchemaStep => ({
  to,
  up: (record) => ({ [`inVersion${to}`]: record }),
  down: (record) => record[`inVersion${to}`] as Fields,
})

export class Schema {
  /** The highest version that is read. */
  readonly newest: number
  readonly #steps: readonly SchemaStep[]
  #written = 1

  /** `ahead`: for tests, of so many made-up versions more. */
  constructor(ahead = 0) {
    this.newest = schemaVersion + ahead
    this.#steps = [
      ...steps,
      ...Array.from({ length: ahead }, (_, index) => madeUp(schemaVersion + 1 + index)),
    ]
  }

  /** The version that is written. */
  get written(): number {
    return this.#written
  }

  /** FAILED_PRECONDITION: this program does not know the version. */
  write(version: number): void {
    if (version > this.newest)
      throw new RpcError(
        'FAILED_PRECONDITION',
        `The cluster's records have schema version ${version}; this coordinator reads up to ${this.newest}. Upgrade it.`,
      )
    this.#written = version
  }

  /** What a record is kept as, of what `encode` has made of it. */
  toStored(text: string): string {
    return this.#written === schemaVersion ? text : this.#brought(text, schemaVersion, this.#written)
  }

  /** What `decode` reads, of a record as it was kept. A version that is not known is left to `decode` to refuse. */
  fromStored(text: string): string {
    const version = versionIn(text)
    if (version === undefined || version === schemaVersion || version > this.newest) return text
    return this.#brought(text, version, schemaVersion)
  }

  #brought(text: string, from: number, to: number): string {
    const { v: _, ...fields } = JSON.parse(text) as { readonly v: number }
    let record: Fields = fields
    if (from < to)
      for (const step of this.#steps) {
        if (step.to > from && step.to <= to) record = step.up(record)
      }
    else
      for (const step of this.#steps.toReversed()) {
        if (step.to > to && step.to <= from) record = step.down(record)
      }
    return JSON.stringify({ v: to, ...record })
  }
}

/** Every record begins with it. */
function versionIn(text: string): number | undefined {
  const found = /^\{"v":(\d+)[,}]/.exec(text)
  return found ? Number(found[1]) : undefined
}
