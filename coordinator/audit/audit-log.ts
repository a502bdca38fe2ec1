import type { Clock, Timer } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { type AuditEntry, entryToLine } from './audit-entry.js'
import type { AuditFiles } from './audit-files.js'

export interface AuditLogParts {
  readonly clock: Clock
  readonly log: Log
  readonly files: Pick<AuditFiles, 'append' | 'read' | 'close'>
  /** Told of each entry that was lost, and of each time that the disk refused. */
  lost(): void
  failed(): void
}

/** What comes within this time shares a write and a sync. */
const groupMs = 200
const retryMs = 5_000
/** Of lines that wait for the disk, in characters; what comes beyond is lost, and said to be. */
const maxWaiting = 4 * 1024 ** 2
/** Calls without a right to it are cheap to make: so many have a line of their own in a minute, the others a count. */
const refusalsPerMinute = 120
const minuteMs = 60_000

/** Takes entries at once and writes them later: nobody who is answered waits for the disk. */
export class AuditLog {
  readonly #parts: AuditLogParts
  #waiting: string[] = []
  #waitingLength = 0
  #writing: Promise<void> | undefined
  #timer: Timer | undefined
  #troubled = false
  #lost = 0
  #refusals = { sinceMs: Number.NEGATIVE_INFINITY, count: 0, unwritten: 0 }

  constructor(parts: AuditLogParts) {
    this.#parts = parts
  }

  /** A call was answered. */
  add(entry: AuditEntry): void {
    const line = entryToLine(entry)
    if (this.#waitingLength + line.length > maxWaiting) {
      this.#lost += 1
      this.#parts.lost()
      return
    }
    this.#waiting.push(line)
    this.#waitingLength += line.length
    this.#timer ??= this.#parts.clock.timer(this.#troubled ? retryMs : groupMs, () => this.#flush())
  }

  /** A call was refused for who made it. */
  addRefusal(entry: AuditEntry): void {
    const nowMs = this.#parts.clock.monotonic()
    if (nowMs - this.#refusals.sinceMs > minuteMs)
      this.#refusals = { sinceMs: nowMs, count: 0, unwritten: this.#refusals.unwritten }
    if (this.#refusals.count >= refusalsPerMinute) {
      this.#refusals.unwritten += 1
      return
    }
    this.#refusals.count += 1
    this.add({ ...entry, more: this.#refusals.unwritten })
    this.#refusals.unwritten = 0
  }

  /** The newest `count` that `wanted` takes, oldest of them first; all that was added before is among them. */
  async read(count: number, wanted: (entry: AuditEntry) => boolean): Promise<readonly AuditEntry[]> {
    await this.#writeAll()
    return await this.#parts.files.read(count, wanted)
  }

  /** Writes what waits. Safe to call twice. */
  async close(): Promise<void> {
    await this.#writeAll()
    this.#timer?.cancel()
    this.#timer = undefined
    await this.#parts.files.close()
  }

  async #writeAll(): Promise<void> {
    await this.#writing
    this.#flush()
    await this.#writing
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#writing || this.#waiting.length === 0) return
    this.#writing = this.#write().finally(() => {
      this.#writing = undefined
      if (this.#waiting.length === 0) return
      this.#timer ??= this.#parts.clock.timer(this.#troubled ? retryMs : groupMs, () => this.#flush())
    })
  }

  /** Never rejects: lines that could not be written go on waiting. */
  async #write(): Promise<void> {
    const { files, log, failed } = this.#parts
    const lines = this.#waiting
    this.#waiting = []
    try {
      await files.append(lines.join(''))
      this.#waitingLength = this.#waiting.reduce((sum, { length }) => sum + length, 0)
      if (this.#troubled || this.#lost > 0)
        log.warn('The audit log is written again', { entriesLost: this.#lost })
      this.#troubled = false
      this.#lost = 0
    } catch (error) {
      this.#waiting = [...lines, ...this.#waiting]
      failed()
      if (!this.#troubled) log.error('The audit log cannot be written', { reason: messageOf(error) })
      this.#troubled = true
    }
  }
}
