import { invariant } from '../../common/errors.js'
import type { ReportEvent } from '../../proto/model/attempt.js'
import type { Entry } from '../journal/record.js'
import {
  type Assigned,
  type DatedReport,
  decodeAssigned,
  decodeFact,
  decodeReport,
  type Fact,
} from './entries.js'

/**
 * How far an attempt has come: the state that its newest report names, but for `assigned` (no report yet) and `starting`
 * (the command may run, the report is not out). `over`: its last report is final.
 */
export type Progress =
  | 'assigned'
  | 'building'
  | 'mounting'
  | 'starting'
  | 'running'
  | 'saving'
  | 'pushing'
  | 'over'

export interface Restored {
  readonly assigned: Assigned
  readonly reports: readonly DatedReport[]
  readonly progress: Progress
  readonly starting: Extract<Fact, { kind: 'starting' }> | undefined
  readonly intent: Extract<Fact, { kind: 'intent' }> | undefined
}

/** What an attempt's entries in the journal say. */
export function restore(entries: readonly Entry[]): Restored {
  const [first, ...rest] = entries
  invariant(first?.kind === 'assigned', 'an attempt begins with its assignment')
  const reports: DatedReport[] = []
  let starting: Restored['starting']
  let intent: Restored['intent']
  for (const entry of rest) {
    if (entry.kind === 'report') reports.push(decodeReport(entry.payload))
    else {
      const fact = decodeFact(entry.payload)
      if (fact.kind === 'starting') starting = fact
      else intent = fact
    }
  }
  const last = reports.at(-1)?.report.event
  const told = last ? progressAfter(last) : 'assigned'
  const progress = starting && isBeforeStart(told) ? 'starting' : told
  return { assigned: decodeAssigned(first.payload), reports, progress, starting, intent }
}

export function progressAfter(event: ReportEvent): Progress {
  switch (event.kind) {
    case 'reached':
      return event.state
    case 'ended':
      return 'saving'
    case 'saved':
      return 'pushing'
    default:
      return 'over'
  }
}

/** The command can't have been started yet. */
export function isBeforeStart(progress: Progress): boolean {
  return progress === 'assigned' || progress === 'building' || progress === 'mounting'
}
