import type { Random } from './random.js'

export interface BackoffSettings {
  readonly firstMs: number
  readonly maxMs: number
  /** Growth from one wait to the next; 2 when left out. */
  readonly factor?: number
}

/** How long to wait before try `attempt` (0 is the first retry): exponential, capped, and spread over its upper half. */
export function backoffMs(settings: BackoffSettings, attempt: number, random: Random): number {
  const factor = settings.factor ?? 2
  const ceiling = Math.min(settings.maxMs, settings.firstMs * factor ** Math.min(attempt, 64))
  return ceiling * (0.5 + random.next() / 2)
}
