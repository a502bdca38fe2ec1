import { isFinal } from '../../proto/model/run-state.js'
import type { RunRecords } from '../files/run-records.js'
import type { Leader } from '../leader.js'

/** What the files of runs need to know of the runs, as the leader knows it. */
export function runRecordsOf(leader: Leader): RunRecords {
  return {
    async outputsOf(runId) {
      const run = await leader.run(runId)
      const { attempt, manifestSha256, createdAtMs } = run
      return { attempt, manifestSha256, createdAtMs, finished: isFinal(run.state) }
    },
    // Ids have no gaps: those below one are all there.
    async newestIds(before, limit) {
      const newest = Math.min(leader.newestRunId(), (before ?? Number.POSITIVE_INFINITY) - 1)
      return Array.from({ length: Math.max(0, Math.min(limit, newest)) }, (_, step) => newest - step)
    },
  }
}
