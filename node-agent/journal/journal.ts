import type { Clock } from '../../common/clock.js'
import { invariant, RpcError } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { LiveEntries, sizeOf } from './live-entries.js'
import { type Entry, encodeRecord, noAttempt, overheadBytes, pack } from './record.js'
import { endBytes, endRecord, headerBytes, type Segment, writeAll } from './segment.js'
import { type SegmentSettings, Segments } from './segments.js'

export interface JournalSettings extends SegmentSettings {
  /** At least so long from one sync to the next, in milliseconds: what comes meanwhile shares one. */
  readonly gapMs: number
  /** The same after a group of at least `busyFrom` entries: under load fewer and larger groups cost a fraction. */
  readonly busyGapMs: number
  readonly busyFrom: number
  /** Closed segments from which on those that still count are written anew, to free the oldest. */
  readonly compactFrom: number
}

export const journalDefaults = {
  ...{ segmentBytes: 8 << 20, spareSegments: 2, compactFrom: 4 },
  ...{ gapMs: 3, busyGapMs: 10, busyFrom: 16 },
} as const

/** What the node knows beside its attempts. */
export interface NodeFacts {
  /** The highest run id this node has ever been given. */
  readonly highestRunId: number
  /** The cluster's, as last heard. */
  readonly generation: string
}

/** What may be appended; the rest the journal writes for itself. */
export type AppendedKind = 'assigned' | 'report' | 'fact' | 'forgotten'

/** How the journal came to stand still. Nothing can be promised any more; the process must end and be started anew. */
export type JournalFailed = (error: unknown) => void

interface Waiting {
  readonly entry: Entry
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * What must survive the agent: every attempt's assignment, facts and reports, in order. Entries that wait while one group
 * is being synced go together into the next. An entry is durable, with all before it, when its append resolves.
 */
export class Journal {
  readonly #settings: JournalSettings
  readonly #clock: Clock
  readonly #failpoints: Failpoints
  readonly #onFailure: JournalFailed
  readonly #segments: Segments
  readonly #live = new LiveEntries()
  #node: NodeFacts = { highestRunId: 0, generation: '' }
  #queue: Waiting[] = []
  #writing: Promise<void> | undefined
  #lastGroupMs = Number.NEGATIVE_INFINITY
  #lastGroupEntries = 0
  #syncs = 0
  #lastTopUpMs = Number.NEGATIVE_INFINITY
  #failed: unknown
  #closed = false

  private constructor(
    settings: JournalSettings,
    parts: { readonly clock: Clock; readonly failpoints: Failpoints; readonly onFailure: JournalFailed },
  ) {
    this.#settings = settings
    this.#clock = parts.clock
    this.#failpoints = parts.failpoints
    this.#onFailure = parts.onFailure
    this.#segments = new Segments(settings, parts.clock)
  }

  /** Reads what is there. Throws DATA_LOSS when a file that was complete once is damaged. */
  static async open(
    settings: JournalSettings,
    parts: { readonly clock: Clock; readonly failpoints: Failpoints; readonly onFailure: JournalFailed },
  ): Promise<Journal> {
    const journal = new Journal(settings, parts)
    for (const { segment, entries } of await journal.#segments.open()) {
      for (const entry of entries) journal.#take(entry, segment)
    }
    await journal.#segments.recycle()
    return journal
  }

  get node(): NodeFacts {
    return this.#node
  }

  /** Since it was opened. */
  get syncs(): number {
    return this.#syncs
  }

  /** Entries of every attempt that was not forgotten, beginning with `assigned`; by `attemptKey`. */
  get attempts(): ReadonlyMap<string, readonly Entry[]> {
    return this.#live.byAttempt
  }

  /**
   * Rejects with RESOURCE_EXHAUSTED for a new attempt that is too large or for which the disk has no space. Everything
   * else waits for as long as it takes.
   */
  append(kind: AppendedKind, id: AttemptId, payload: Buffer): Promise<void> {
    const { segmentBytes } = this.#settings
    if (headerBytes + 2 * overheadBytes + payload.length + endBytes > segmentBytes / 2)
      return exhausted(`An entry of ${payload.length} bytes is too large for the node's journal.`)
    if (kind === 'assigned') {
      if (this.#isShort())
        return exhausted(
          'The disk of the node is full: its journal takes no further run.',
          this.#segments.shortage,
        )
      if (id.runId > this.#node.highestRunId) this.#node = { ...this.#node, highestRunId: id.runId }
    }
    return this.#enqueue({ kind, id, payload })
  }

  async setGeneration(generation: string): Promise<void> {
    if (generation === this.#node.generation) return
    this.#node = { ...this.#node, generation }
    await this.#enqueue(this.#nodeEntry())
  }

  /** Writes what waits; then nothing more is taken. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    while (this.#writing) await this.#writing
    await this.#segments.close()
  }

  #isShort(): boolean {
    if (this.#segments.shortage === undefined) return false
    if (this.#clock.monotonic() - this.#lastTopUpMs > 1_000) {
      this.#lastTopUpMs = this.#clock.monotonic()
      void this.#segments.topUp()
    }
    return true
  }

  #enqueue(entry: Entry): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#failed)
    if (this.#closed) return Promise.reject(new RpcError('CANCELLED', 'The journal is closed.'))
    return new Promise((resolve, reject) => {
      this.#queue.push({ entry, resolve, reject })
      this.#writing ??= this.#writeGroups()
    })
  }

  async #writeGroups(): Promise<void> {
    while (this.#queue.length > 0 && this.#failed === undefined) {
      const earlyMs = this.#lastGroupMs + this.#gapMs() - this.#clock.monotonic()
      if (earlyMs > 0) await this.#clock.sleep(earlyMs)
      this.#lastGroupMs = this.#clock.monotonic()
      const group = this.#queue
      this.#queue = []
      this.#lastGroupEntries = group.length
      try {
        await this.#writeGroup(group.map((waiting) => waiting.entry))
      } catch (error) {
        this.#fail(error, [...group, ...this.#queue])
        break
      }
      for (const waiting of group) waiting.resolve()
    }
    // In the same turn as the last look at the queue: an entry that comes later begins a new round.
    this.#writing = undefined
  }

  #gapMs(): number {
    const { gapMs, busyGapMs, busyFrom } = this.#settings
    return this.#lastGroupEntries >= busyFrom ? Math.max(gapMs, busyGapMs) : gapMs
  }

  async #writeGroup(group: readonly Entry[]): Promise<void> {
    const entries = [...group]
    let pieces: Buffer[] = []
    let end = this.#segments.active.tail
    for (let entry = entries.shift(); entry; entry = entries.shift()) {
      let segment = this.#segments.active
      if (end + overheadBytes + entry.payload.length + endBytes > this.#settings.segmentBytes) {
        await this.#flush(segment, [...pieces, endRecord(segment.chain)])
        segment = await this.#segments.rotate()
        entries.unshift(...this.#carriedOver(), entry)
        pieces = []
        end = segment.tail
        continue
      }
      const { bytes, chain } = encodeRecord(entry, segment.chain)
      segment.chain = chain
      end += bytes.length
      pieces.push(bytes)
      this.#take(entry, segment)
    }
    await this.#flush(this.#segments.active, pieces)
    if (this.#segments.closed[0]?.attempts.size === 0) await this.#segments.recycle()
  }

  async #flush(segment: Segment, pieces: readonly Buffer[]): Promise<void> {
    const bytes = Buffer.concat(pieces)
    this.#failpoints.reach('journal-write')
    await writeAll(segment.handle, bytes, segment.tail)
    this.#failpoints.reach('journal-sync')
    await segment.handle.datasync()
    this.#syncs += 1
    this.#failpoints.reach('journal-synced')
    segment.tail += bytes.length
  }

  /** What a new segment begins with: the node's facts, and what keeps the oldest segment when there are many. */
  #carriedOver(): Entry[] {
    const { closed } = this.#segments
    const oldest = closed[0]
    const worthIt = this.#live.bytes * 2 < closed.length * this.#settings.segmentBytes
    if (!oldest || closed.length < this.#settings.compactFrom || !worthIt) return [this.#nodeEntry()]
    const moved: Entry[] = []
    let budget = this.#settings.segmentBytes / 2
    for (const key of oldest.attempts) {
      const entries = this.#live.byAttempt.get(key) ?? []
      const [first] = entries
      budget -= sizeOf(entries) + overheadBytes
      if (budget < 0) break
      if (first) moved.push({ kind: 'moved', id: first.id, payload: pack(entries) })
    }
    return [this.#nodeEntry(), ...moved]
  }

  #nodeEntry(): Entry {
    return { kind: 'node', id: noAttempt, payload: Buffer.from(JSON.stringify({ v: 1, ...this.#node })) }
  }

  /** Follows in memory what an entry in `segment` means. */
  #take(entry: Entry, segment: Segment): void {
    if (entry.kind === 'end') return
    if (entry.kind === 'node') {
      const { highestRunId, generation } = JSON.parse(entry.payload.toString()) as NodeFacts
      this.#node = { highestRunId: Math.max(highestRunId, this.#node.highestRunId), generation }
      return
    }
    const key = attemptKey(entry.id)
    if (entry.kind === 'assigned' && entry.id.runId > this.#node.highestRunId)
      this.#node = { ...this.#node, highestRunId: entry.id.runId }
    const counts = this.#live.take(entry)
    if (counts !== 'adds') for (const older of this.#segments.closed) older.attempts.delete(key)
    if (counts === 'nothing') segment.attempts.delete(key)
    else segment.attempts.add(key)
  }

  #fail(error: unknown, waiting: readonly Waiting[]): void {
    invariant(this.#failed === undefined, 'a journal fails once')
    this.#failed = new RpcError('DATA_LOSS', 'The journal of the node can not be written.', { cause: error })
    this.#queue = []
    for (const { reject } of waiting) reject(this.#failed)
    this.#onFailure(this.#failed)
  }
}

function exhausted(sentence: string, cause?: unknown): Promise<never> {
  return Promise.reject(new RpcError('RESOURCE_EXHAUSTED', sentence, { cause }))
}
