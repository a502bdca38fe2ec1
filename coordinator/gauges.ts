import type { Gauged } from './metrics.js'
import type { RunningTerm } from './term.js'

/** What a coordinator's numbers are at the moment; a follower has few of them. */
export function gaugesOf(term: RunningTerm | undefined): Gauged {
  const stats = term?.queue.stats()
  const facts = term?.leader.facts()
  return {
    leading: term?.leadership.isLeading() ?? false,
    term: term?.leadership.term ?? 0,
    heartbeatAgesMs: [...(facts?.heartbeatAgesMs ?? [])],
    runsByState: Object.fromEntries(facts?.runsByState ?? []),
    queueLength: facts?.queued ?? 0,
    queueHeadAgeMs: facts?.oldestQueuedMs ?? 0,
    archivedRuns: facts?.archivedRuns ?? 0,
    waitingForArchive: facts?.waitingForArchive ?? 0,
    requestIds: facts?.requestIds ?? 0,
    etcdBytes: term?.compaction.usage()?.usedBytes ?? 0,
    waitingUnits: stats?.waitingUnits ?? 0,
    waitingBytes: stats?.waitingBytes ?? 0,
    unknownOutcomes: stats?.unknownOutcomes ?? 0,
  }
}
