import { readFileSync, writeFileSync } from 'node:fs'
import type { BootClock } from '../boot-clock.js'

/**
 * When the leader last certainly heard this node: the time at which the newest acknowledged heartbeat (or hello) was sent,
 * on the boot clock. Kept in a file without syncing: it must survive the agent, not the machine, whose end no run outlives.
 */
export class Heartbeats {
  readonly #boot: BootClock
  readonly #file: string
  readonly #sent = new Map<number, number>()
  #sequence = 0
  #heardAtMs: number | undefined

  constructor(boot: BootClock, file: string) {
    this.#boot = boot
    this.#file = file
    this.#heardAtMs = readHeard(file, boot.bootId)
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
    writeFileSync(this.#file, JSON.stringify({ v: 1, bootId: this.#boot.bootId, heardAtMs: sentAtMs }))
  }
}

/** Cut off by a crash: as if nothing had been heard since then; the attempt's own beginning counts instead. */
function readHeard(file: string, bootId: string): number | undefined {
  try {
    const kept = JSON.parse(readFileSync(file, 'utf8')) as { bootId?: string; heardAtMs?: number }
    return kept.bootId === bootId ? kept.heardAtMs : undefined
  } catch {
    return undefined
  }
}
