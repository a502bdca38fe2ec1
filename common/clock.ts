import { setTimeout as delay } from 'node:timers/promises'

/** All time in Spell comes through here, so that a test can be its master. */
export interface Clock {
  /** Wall time, milliseconds since 1970-01-01 UTC. Only for dates that people see. */
  now(): number
  /** Milliseconds from an arbitrary start; never goes back. For durations, deadlines and leases. */
  monotonic(): number
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `action` once after `ms`, unless cancelled. */
  timer(ms: number, action: () => void): Timer
}

export interface Timer {
  /** Safe to call twice, and after the action ran. */
  cancel(): void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    await delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      throw signal?.aborted ? signal.reason : error
    })
  },
  timer(ms, action) {
    const handle = setTimeout(action, ms)
    return { cancel: () => clearTimeout(handle) }
  },
}
