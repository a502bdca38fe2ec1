import { LRUCache } from 'lru-cache'
import type { Clock, Timer } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import { encode } from '../core/record-codec.js'
import type { SegmentRecord } from '../core/records.js'
import type { Schema } from '../core/schema.js'
import type { RunBook, RunEntry } from '../leader/run-book.js'
import type { ArchiveSettings } from '../leader/types.js'
import type { Writes } from '../leader/writes.js'
import { type ArchivedRun, linesOf, makeSegment, type OpenSegment, openSegment, runIn } from './segment.js'
import { SegmentIndex } from './segment-index.js'

export interface ArchiveParts {
  readonly clock: Clock
  readonly log: Log
  readonly failpoints: Failpoints
  readonly objects: Pick<ObjectStore, 'put' | 'read'>
  readonly runs: RunBook
  readonly writes: Writes
  readonly schema: Schema
  readonly term: number
  /** Has the store note the newest run's id. */
  noteHighest(): Promise<void>
}

const retryMs = { first: 1_000, most: 60_000 }
/** Runs deleted from etcd in one unit, at two keys each. */
const deletedInUnit = 30

/**
 * Finished runs leave etcd for segments in the object store. A run may go once it has ended, holds nothing, and its agent
 * has forgotten it (or it never had one).
 *
 * Order: the segment is written and durable; then a transaction names it in etcd and deletes the first of its runs, and
 * further ones delete the rest (a transaction has room for few). From the naming on the segment is the truth: runs that a
 * crash left in etcd beside it are deleted by the next leader. While the store is away runs wait here and in etcd.
 */
export class Archive {
  readonly #settings: ArchiveSettings
  readonly #parts: ArchiveParts
  readonly #index = new SegmentIndex()
  readonly #waiting = new Map<number, { readonly entry: RunEntry; readonly sinceMs: number }>()
  readonly #recent = new Map<number, ArchivedRun>()
  readonly #open: LRUCache<number, OpenSegment>
  #timer: Timer | undefined
  #working = false
  /** Failures in a row: while it is above 0 only the timer begins anew. */
  #tries = 0
  #closed = false

  constructor(settings: ArchiveSettings, parts: ArchiveParts, segments: Iterable<SegmentRecord>) {
    this.#settings = settings
    this.#parts = parts
    this.#open = new LRUCache({
      maxSize: settings.cacheBytes,
      sizeCalculation: ({ record }) => record.bytes + 1,
    })
    for (const segment of segments) this.#index.add(segment)
  }

  /** Counts over all segments. */
  get index(): Pick<SegmentIndex, 'runs' | 'inProject' | 'highestRunId'> {
    return this.#index
  }

  /** Runs that may leave and have not yet. */
  get waiting(): number {
    return this.#waiting.size
  }

  has(id: number): boolean {
    return this.#recent.has(id) || this.#index.find(id) !== undefined
  }

  /** What is at hand without asking the store; undefined: not in the archive, or not in memory. */
  peek(id: number): ArchivedRun | undefined {
    const recent = this.#recent.get(id)
    if (recent) return recent
    const segment = this.#index.find(id)
    const open = segment && this.#open.get(segment.number)
    return open && runIn(open, id, this.#parts.schema)
  }

  /** undefined: not in the archive. UNAVAILABLE: the store is away. */
  async find(id: number): Promise<ArchivedRun | undefined> {
    const at = this.peek(id)
    if (at) return at
    const segment = this.#index.find(id)
    if (!segment) return undefined
    const open = openSegment(segment, await readWhole(this.#parts.objects, segment.object))
    this.#open.set(segment.number, open)
    return runIn(open, id, this.#parts.schema)
  }

  /** Begins work; takes up what the last leader had left half done. */
  start(): void {
    const left = [...this.#parts.runs.entries()].filter(
      ({ record }) => this.#index.find(record.id) !== undefined,
    )
    for (const entry of left) this.#leave(entry)
    this.#deleteRuns(left).catch(() => {})
    for (const entry of this.#parts.runs.entries()) this.consider(entry)
  }

  close(): void {
    this.#closed = true
    this.#timer?.cancel()
  }

  /** Takes the run in if it may leave etcd. */
  consider(entry: RunEntry): void {
    const { record } = entry
    if (entry.leaving || this.#waiting.has(record.id) || !isFinal(record.state)) return
    if (record.holdings.length > 0 || (record.nodeId !== undefined && !entry.forgotten)) return
    this.#waiting.set(record.id, { entry, sinceMs: this.#parts.clock.monotonic() })
    this.#plan()
  }

  #plan(): void {
    if (this.#closed || this.#working || this.#waiting.size === 0) return
    if (this.#tries > 0) return
    if (this.#waiting.size >= this.#settings.segmentRuns) {
      this.#work()
      return
    }
    if (this.#timer) return
    const oldest = this.#waiting.values().next().value?.sinceMs ?? 0
    const wait = oldest + this.#settings.segmentAfterMs - this.#parts.clock.monotonic()
    this.#workIn(Math.max(0, wait))
  }

  #workIn(ms: number): void {
    this.#timer?.cancel()
    this.#timer = this.#parts.clock.timer(ms, () => {
      this.#timer = undefined
      this.#work()
    })
  }

  #work(): void {
    if (this.#closed || this.#working) return
    this.#timer?.cancel()
    this.#timer = undefined
    this.#working = true
    this.#writeSegment().then(
      () => {
        this.#tries = 0
        this.#working = false
        this.#plan()
      },
      (error: unknown) => {
        this.#working = false
        if (this.#closed) return
        this.#parts.log.warn('Finished runs wait for the store', { error, waiting: this.#waiting.size })
        this.#workIn(Math.min(retryMs.most, retryMs.first * 2 ** Math.min(this.#tries, 10)))
        this.#tries += 1
      },
    )
  }

  async #writeSegment(): Promise<void> {
    const { objects, failpoints, writes, schema, term } = this.#parts
    // An edit since the run was taken in may have changed it; what counts is what it is now.
    const { segmentRuns, segmentBytes } = this.#settings
    const lines = linesOf(this.#entriesWaiting(), { runs: segmentRuns, bytes: segmentBytes }, schema)
    if (lines.length === 0) return
    const segment = makeSegment(lines, { number: this.#index.newest + 1, term })
    const entries = lines.map(({ run }) => run)
    for (const entry of entries) entry.leaving = true
    try {
      failpoints.reach('archive.before-write')
      // What the segment holds must be in etcd before it can count as having left it.
      await writes.seen()
      await objects.put(segment.record.object, segment.bytes, { sha256: segment.record.sha256 })
      failpoints.reach('archive.after-write')
    } catch (error) {
      for (const entry of entries) entry.leaving = false
      throw error
    }
    if (this.#closed) return
    this.#index.add(segment.record)
    for (const entry of entries) {
      this.#waiting.delete(entry.record.id)
      this.#leave(entry)
    }
    await this.#deleteRuns(entries, segment.record)
    await this.#parts.noteHighest()
  }

  *#entriesWaiting(): Iterable<RunEntry> {
    for (const { entry } of this.#waiting.values()) yield entry
  }

  #leave(entry: RunEntry): void {
    const { origin, record } = entry
    entry.leaving = true
    this.#parts.runs.remove(entry)
    this.#recent.set(record.id, { origin, record })
    for (const id of this.#recent.keys()) {
      if (this.#recent.size <= this.#settings.recentRuns) break
      this.#recent.delete(id)
    }
  }

  async #deleteRuns(entries: readonly RunEntry[], segment?: SegmentRecord): Promise<void> {
    const { writes, failpoints } = this.#parts
    const { keys } = writes
    for (let start = 0; start < entries.length; start += deletedInUnit) {
      const ids = entries.slice(start, start + deletedInUnit).map(({ record }) => record.id)
      const named = start === 0 && segment !== undefined
      const committed = writes.commit(
        named ? [{ key: keys.segment(segment.number), value: encode(segment) }] : [],
        ids.flatMap((id) => [keys.runSpec(id), keys.runStatus(id)]),
      )
      if (named) {
        await committed
        failpoints.reach('archive.after-naming')
      } else committed.catch(() => {})
    }
    await writes.seen()
    failpoints.reach('archive.after-deletes')
  }
}

async function readWhole(objects: Pick<ObjectStore, 'read'>, name: string): Promise<Buffer> {
  const parts: Buffer[] = []
  try {
    for await (const part of objects.read(name)) parts.push(part)
  } catch (error) {
    if (!(error instanceof RpcError && error.code === 'NOT_FOUND')) throw error
    throw new RpcError('DATA_LOSS', `The archive's object ${name} is missing from the store.`, {
      cause: error,
    })
  }
  return Buffer.concat(parts)
}
