import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock, Timer } from '../../common/clock.js'

interface Due {
  readonly at: number
  readonly order: number
  readonly action: () => void
}

/** A clock that stands still until a test moves it. Wall time and monotonic time go together, from different starts. */
export class FakeClock implements Clock {
  readonly #wallStart: number
  #elapsed = 0
  #count = 0
  readonly #timers = new Set<Due>()

  constructor(wallStartMs = Date.UTC(2030, 0, 1)) {
    this.#wallStart = wallStartMs
  }

  now(): number {
    return this.#wallStart + this.#elapsed
  }

  monotonic(): number {
    return 1_000 + this.#elapsed
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const end = () => {
        timer.cancel()
        reject(signal?.reason)
      }
      const timer = this.timer(ms, () => {
        signal?.removeEventListener('abort', end)
        resolve()
      })
      signal?.addEventListener('abort', end, { once: true })
    })
  }

  timer(ms: number, action: () => void): Timer {
    this.#count += 1
    const due: Due = { at: this.#elapsed + Math.max(0, ms), order: this.#count, action }
    this.#timers.add(due)
    return { cancel: () => this.#timers.delete(due) }
  }

  /** Timers that have not run. */
  get pending(): number {
    return this.#timers.size
  }

  /** Moves time on, running what falls due in its order, and lets everything that follows from each happen. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms
    await nextTurn()
    for (let due = this.#next(end); due; due = this.#next(end)) {
      this.#timers.delete(due)
      this.#elapsed = Math.max(this.#elapsed, due.at)
      due.action()
      await nextTurn()
    }
    this.#elapsed = end
  }

  #next(end: number): Due | undefined {
    let next: Due | undefined
    for (const due of this.#timers) {
      if (due.at > end) continue
      if (!next || due.at < next.at || (due.at === next.at && due.order < next.order)) next = due
    }
    return next
  }
}
