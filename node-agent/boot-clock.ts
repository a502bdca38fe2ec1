import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock } from '../common/clock.js'

/** Time since the machine started, suspend and restarts of the agent included; the same for every process of one boot. */
export interface BootClock {
  /** Another after each start of the machine; times of different boots can't be compared. */
  readonly bootId: string
  /** Milliseconds since the machine started. */
  now(): number
  /** Calls `action` once, soon after `atMs` has come, however often the machine is suspended before. */
  at(atMs: number, action: () => void): { cancel(): void }
}

/** A timer does not count suspend: it looks at least so often. Milliseconds. */
const lookEveryMs = 30_000
/** The kernel's figure has steps of 10 ms; only a larger difference is suspend. */
const toleranceMs = 100

/** The kernel's CLOCK_BOOTTIME as /proc/uptime has it, with the fine steps of the monotonic clock between. */
export function systemBootClock(clock: Clock): BootClock {
  const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  return makeBootClock(clock, { bootId, uptimeMs: () => uptime() * 1000 })
}

export function makeBootClock(
  clock: Clock,
  source: { readonly bootId: string; readonly uptimeMs: () => number },
): BootClock {
  let offsetMs = source.uptimeMs() - clock.monotonic()
  let lookedMs = clock.monotonic()
  const now = () => {
    const monotonicMs = clock.monotonic()
    if (monotonicMs - lookedMs > 200) {
      lookedMs = monotonicMs
      const aheadMs = source.uptimeMs() - (monotonicMs + offsetMs)
      if (aheadMs > toleranceMs) offsetMs += aheadMs
    }
    return monotonicMs + offsetMs
  }
  const at = (atMs: number, action: () => void) => {
    const look = () => {
      const leftMs = atMs - now()
      if (leftMs > 0) timer = clock.timer(Math.min(leftMs, lookEveryMs), look)
      else action()
    }
    let timer = clock.timer(Math.min(Math.max(0, atMs - now()), lookEveryMs), look)
    return { cancel: () => timer.cancel() }
  }
  return { bootId: source.bootId, now, at }
}
