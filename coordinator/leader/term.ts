import type { NodeLinks } from '../agents/node-links.js'
import type { Archive } from '../archive/archive.js'
import type { OpenCalls } from '../people/open-calls.js'
import type { HighestRun } from './highest-run.js'
import type { Memory } from './memory.js'
import type { RaiseSchema } from './raise-schema.js'
import type { RestoreGuard } from './restore-guard.js'
import type { LeaderParts, LeaderSettings } from './types.js'
import type { Watchers } from './watchers.js'
import type { Writes } from './writes.js'

/** Everything that the leader's functions share for one term. */
export interface Term {
  readonly settings: LeaderSettings
  readonly parts: LeaderParts
  readonly memory: Memory
  readonly writes: Writes
  readonly watchers: Watchers
  readonly links: NodeLinks
  readonly archive: Archive
  readonly restoreGuard: RestoreGuard
  readonly highestRun: HighestRun
  readonly raiseSchema: RaiseSchema
  /** Users' calls that go on for long, which end with their tokens. */
  readonly openCalls: OpenCalls
  /** Aborted when the term is over. */
  readonly closing: AbortController
  /** Something changed that may let a waiting run start: places what can be placed before the loop's next turn. */
  wake(): void
}
