import { recoverArchive } from '../archive/recover.js'
import { type Repaired, type RepairOptions, repairCounter } from './repair.js'
import type { Term } from './term.js'

export interface Keeping {
  /** Resolves when all that was decided up to now is in etcd. */
  settled(): Promise<{ readonly newestRunId: number }>
  /** After a restored backup: raises the counter to the highest id that anything has shown. */
  repair(options: RepairOptions): Promise<Repaired>
  /** After a restored backup, before the leader starts: takes back what the archive holds and the backup does not know. */
  recoverArchive(): Promise<void>
}

export function keepingOf(term: Term): Keeping {
  return {
    async settled() {
      const newestRunId = term.memory.counter
      await term.writes.seen()
      return { newestRunId }
    },
    repair: (options) => repairCounter(term, options),
    recoverArchive: () => recoverArchive(term),
  }
}
