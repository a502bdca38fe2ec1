import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs'
import type { BootClock } from '../boot-clock.js'

/**
 * When the leader last certainly heard this node: the time at which the newest acknowledged heartbeat (or hello) was sent,
 * on the boot clock. Kept in a file without syncing: it must survive the agent, not the machine, whose end no run outlives.
 */
export class Heartbeats {
  readonly #boot: BootClock
  readonly #fd: number
  readonly #sent = new Map<number, number>()
  #sequence = 0
  #heardAtMs: number | undefined

  constructor(boot: BootClock, file: string) {
    this.#boot = boot
    this.#heardAtMs = readHeard(file, boot.bootId)
    this.#fd = openSync(file, constants.O_RDWR | constants.O_CREAT, 0o600)
  }

  get heardAtMs(): number | undefined {
    return this.#heardAtMs
  }

  /** Before a heartbeat is sent; its number. */
  send(): number {
    this.#sequence += 1
    this.#sent.set(this.#sequence, this.#boot.now())
    return this.#sequence
  }

  acknowledged(sequence: number): void {
    const sentAtMs = this.#sent.get(sequence)
    for (const older of this.#sent.keys()) if (older <= sequence) this.#sent.delete(older)
    if (sentAtMs !== undefined) this.heardAt(sentAtMs)
  }

  /** A new link: what was sent on the old one will not be acknowledged. */
  forgetSent(): void {
    this.#sent.clear()
  }

  heardAt(sentAtMs: number): void {
    if (sentAtMs <= (this.#heardAtMs ?? Number.NEGATIVE_INFINITY)) return
    this.#heardAtMs = sentAtMs
    // Always as long as before: nothing is ever cut off, so that no moment is without a whole text.
    const text = JSON.stringify({ v: 1, bootId: this.#boot.bootId, heardAtMs: sentAtMs })
    writeSync(this.#fd, text.padEnd(recordBytes), 0)
  }

  /** To be called once. */
  close(): void {
    closeSync(this.#fd)
  }
}

const recordBytes = 120

/** Where it can't be read nothing was heard; the attempt's own beginning counts instead. */
function readHeard(file: string, bootId: string): number | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { bootId?: string; heardAtMs?: number }
    return kept.bootId === bootId ? kept.heardAtMs : undefined
  } catch {
    return undefined
  }
}
