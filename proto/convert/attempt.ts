import { invariant, RpcError } from '../../common/errors.js'
import type { Assignment__Output } from '../gen/spell/v1/Assignment.js'
import type { AttemptId__Output } from '../gen/spell/v1/AttemptId.js'
import type { Report__Output } from '../gen/spell/v1/Report.js'
import type { Assignment, AttemptId, Report, ReportEvent, Wanted } from '../model/attempt.js'
import { stateFromWire, stateToWire } from '../model/run-state.js'
import { runSpecFromWire, runSpecToWire } from './run-spec.js'

export function attemptIdFromWire(wire: AttemptId__Output | null): AttemptId {
  if (!wire?.runId || !wire.attempt) throw new RpcError('INVALID_ARGUMENT', 'A message names no attempt.')
  return { runId: wire.runId, attempt: wire.attempt }
}

export function assignmentFromWire(wire: Assignment__Output): Assignment {
  const { id, spec, ...rest } = wire
  if (!spec) throw new RpcError('INVALID_ARGUMENT', 'An assignment has no spec.')
  return { ...rest, id: attemptIdFromWire(id), spec: runSpecFromWire(spec) }
}

export function assignmentToWire(assignment: Assignment): object {
  return { ...assignment, spec: runSpecToWire(assignment.spec) }
}

const wantedWords: Readonly<Record<string, Wanted>> = {
  START: 'start',
  KEEP: 'keep',
  STOP_AND_SAVE: 'stop_and_save',
  KILL: 'kill',
  FORGET: 'forget',
  DESCRIBE: 'describe',
}

export function wantedFromWire(word: string): Wanted {
  const wanted = wantedWords[word]
  if (wanted === undefined)
    throw new RpcError('INVALID_ARGUMENT', `This version does not know the order ${word}.`)
  return wanted
}

export function wantedToWire(wanted: Wanted): string {
  return wanted.toUpperCase()
}

const endedByWords = {
  ENDED_BY_ITSELF: 'itself',
  ENDED_BY_STOP: 'stop',
  ENDED_BY_TIMEOUT: 'timeout',
  ENDED_BY_DISK_LIMIT: 'disk_limit',
  ENDED_BY_FENCE: 'fence',
} as const

export function reportFromWire(wire: Report__Output): Report {
  return {
    id: attemptIdFromWire(wire.id),
    number: wire.number,
    durationMs: wire.durationMs,
    released: wire.released,
    event: eventFromWire(wire),
  }
}

function eventFromWire(wire: Report__Output): ReportEvent {
  if (wire.reached) {
    const state = stateFromWire(wire.reached.state)
    invariant(
      state === 'building' || state === 'mounting' || state === 'running',
      `no report reaches ${state}`,
    )
    return { kind: 'reached', state, dockerImageDigest: wire.reached.dockerImageDigest || undefined }
  }
  if (wire.ended) return { kind: 'ended', ...wire.ended, endedBy: endedByWords[wire.ended.endedBy] }
  if (wire.saved)
    return { kind: 'saved', ...wire.saved, manifestSha256: wire.saved.manifestSha256 || undefined }
  if (wire.finished) return { kind: 'finished' }
  if (wire.failed) return { kind: 'failed', ...wire.failed }
  throw new RpcError('INVALID_ARGUMENT', 'This version does not know such a report.')
}

export function reportToWire(report: Report): object {
  const { id, number, durationMs, released } = report
  return { id, number, durationMs: Math.round(durationMs), released, ...eventToWire(report.event) }
}

function eventToWire(event: ReportEvent): object {
  const { kind, ...fields } = event
  switch (event.kind) {
    case 'reached':
      return {
        reached: { state: stateToWire(event.state), dockerImageDigest: event.dockerImageDigest ?? '' },
      }
    case 'ended':
      return { ended: { ...fields, endedBy: `ENDED_BY_${event.endedBy.toUpperCase()}` } }
    case 'saved':
      return { saved: { ...fields, manifestSha256: event.manifestSha256 ?? '' } }
    default:
      return { [kind]: fields }
  }
}
