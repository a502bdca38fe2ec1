import { type BackoffSettings, backoffMs } from '../common/backoff.js'
import type { Clock } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import type { Random } from '../common/random.js'
import { systemCode } from '../spellfs/disk-errors.js'

export interface RetryParts {
  readonly clock: Clock
  readonly random: Random
}

export interface RetryOptions {
  readonly backoff: BackoffSettings
  /** Milliseconds after which the last error is thrown; Infinity where giving up would be worse than waiting. */
  readonly giveUpAfterMs: number
  readonly signal: AbortSignal
  /** Whether another try may help. */
  readonly worthwhile: (error: unknown) => boolean
  /** Called before the first wait only. */
  readonly onWait: (error: unknown) => void
}

/** Does `action` until it succeeds, fails for good, or time is up. */
export async function retry<Result>(
  action: () => Promise<Result>,
  options: RetryOptions,
  parts: RetryParts,
): Promise<Result> {
  const startMs = parts.clock.monotonic()
  for (let attempt = 0; ; attempt++) {
    options.signal.throwIfAborted()
    try {
      return await action()
    } catch (error) {
      const waitMs = backoffMs(options.backoff, attempt, parts.random)
      const late = parts.clock.monotonic() + waitMs - startMs > options.giveUpAfterMs
      if (options.signal.aborted || late || !options.worthwhile(error)) throw error
      if (attempt === 0) options.onWait(error)
      await parts.clock.sleep(waitMs, options.signal)
    }
  }
}

/** The other side is away; it may come back. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof RpcError && (error.code === 'UNAVAILABLE' || error.code === 'DEADLINE_EXCEEDED')
}

const passing: ReadonlySet<string> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'CANCELLED',
  'DATA_LOSS',
  'INTERNAL',
  'UNKNOWN',
])

/**
 * Nobody has refused this for good: where giving up loses something, it is tried again. What the node's own system says
 * (no descriptor is free, the disk is away) may be mended too.
 */
export function mayPass(error: unknown): boolean {
  if (error instanceof RpcError) return passing.has(error.code)
  return systemCode(error) !== undefined
}
