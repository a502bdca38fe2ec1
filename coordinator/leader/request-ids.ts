import { RpcError } from '../../common/errors.js'
import type { RequestRecord } from '../core/records.js'

const hourMs = 3_600_000
/** A request id is kept for 24 hours after its hour; its lease in etcd lives as long. */
const keptHours = 25

/** The request ids of the last 24 hours, by user: the same id answers the same run. */
export class RequestIds {
  readonly #limit: number
  readonly #known = new Map<string, { readonly runId: number; readonly hash: string }>()
  /** Their keys by the hour in which they came. */
  readonly #hours = new Map<number, string[]>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#known.size
  }

  /** The run that this request made, by any of its hashes; undefined: it is new. ALREADY_EXISTS: the id was used for another request. */
  find(user: string, requestId: string, hashes: readonly (string | undefined)[]): number | undefined {
    const known = this.#known.get(`${user}/${requestId}`)
    if (known && !hashes.includes(known.hash)) {
      throw new RpcError(
        'ALREADY_EXISTS',
        `The request id ${requestId} was used for another request, which made run ${known.runId}.`,
      )
    }
    return known?.runId
  }

  /** RESOURCE_EXHAUSTED: as many as are kept came within 24 hours. */
  checkRoom(nowMs: number): void {
    this.#expire(nowMs)
    if (this.#known.size < this.#limit) return
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      `The cluster keeps the ids of at most ${this.#limit} submissions of the last 24 hours; try again later.`,
    )
  }

  add(record: RequestRecord): void {
    const key = `${record.user}/${record.requestId}`
    this.#known.set(key, { runId: record.runId, hash: record.hash })
    const hour = Math.floor(record.atMs / hourMs)
    const keys = this.#hours.get(hour)
    if (keys) keys.push(key)
    else this.#hours.set(hour, [key])
  }

  #expire(nowMs: number): void {
    const oldest = Math.floor(nowMs / hourMs) - keptHours
    for (const [hour, keys] of this.#hours) {
      if (hour >= oldest) continue
      this.#hours.delete(hour)
      for (const key of keys) this.#known.delete(key)
    }
  }
}
