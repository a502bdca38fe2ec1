import type { Wanted } from '../../proto/model/attempt.js'
import type { HeldAttempt } from '../../proto/model/link.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { RunRecord } from './records.js'

export interface Wish {
  readonly wanted: Wanted
  readonly reason: string
}

/** What the leader wants of a run's newest attempt, as its record has it. */
export function wantedOf(record: RunRecord): Wish {
  if (record.state === 'killing') return { wanted: 'kill', reason: record.reason }
  if (record.state === 'stopping') return { wanted: 'stop_and_save', reason: record.reason }
  if (isFinal(record.state)) return { wanted: 'forget', reason: `the run is ${record.state}` }
  return { wanted: isUnheardOf(record) ? 'start' : 'keep', reason: '' }
}

/**
 * Whether the run's node may never have got the order to start. Once the node has named the attempt, reported about it or
 * let go of what it holds this is over: starting it again would execute the command twice.
 */
export function isUnheardOf(record: RunRecord): boolean {
  return (
    record.state === 'machine_requested' &&
    record.appliedReport === 0 &&
    record.holdings.some(({ attempt, nodeId }) => attempt === record.attempt && nodeId === record.nodeId)
  )
}

/** What becomes of an attempt that a node names in its hello. `record` is its run's. */
export function verdictOn(record: RunRecord, held: HeldAttempt, nodeId: string): Wish {
  if (held.id.attempt !== record.attempt || record.nodeId !== nodeId) {
    return { wanted: held.ended ? 'forget' : 'kill', reason: 'it is not the current attempt of its run' }
  }
  if (!isFinal(record.state)) {
    const wish = wantedOf(record)
    return wish.wanted === 'start' ? { wanted: 'keep', reason: '' } : wish
  }
  if (held.ended) {
    const told = held.lastReport <= record.appliedReport
    return { wanted: told ? 'forget' : 'keep', reason: `the run is ${record.state}` }
  }
  // An interrupted run's attempt that still runs is stopped and what it has made is saved: rule 12.
  const wanted = record.state === 'interrupted' ? 'stop_and_save' : 'kill'
  return { wanted, reason: `the run is ${record.state}` }
}
