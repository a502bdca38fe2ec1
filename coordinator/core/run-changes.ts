import type { Report, ReportEvent } from '../../proto/model/attempt.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { Holding, RunOrigin, RunRecord, StateTime } from './records.js'
import { nextState, type RunEventName } from './run-states.js'

// Every way in which a run's record changes. Each gives a new record; the old one stays what it was.

export interface When {
  /** Leader's wall clock. */
  readonly atMs: number
  /** How long the present state has lasted, on a monotonic clock; 0 where nobody could measure. */
  readonly lastedMs: number
}

export function newRun(
  origin: RunOrigin,
  start: { readonly state: 'user_requested' | 'machine_requested'; readonly machineType: string },
): RunRecord {
  return {
    id: origin.id,
    state: start.state,
    states: [{ state: start.state, enteredAtMs: origin.createdAtMs, durationMs: 0 }],
    attempt: 0,
    nodeId: undefined,
    holdings: [],
    machineType: start.machineType,
    gpuUuids: [],
    replaceable: false,
    lostAfterMs: 0,
    intent: 'none',
    appliedReport: 0,
    exitCode: undefined,
    outOfMemory: false,
    endedBy: undefined,
    reason: '',
    failedStep: undefined,
    logBytes: 0,
    manifestSha256: undefined,
    savedFiles: 0,
    savedBytes: 0,
    dockerImageDigest: undefined,
    notes: [],
    labels: origin.spec.labels,
    project: origin.spec.project,
    archived: false,
  }
}

/** The record after an event, with the state entered dated; undefined: refused by the table. */
export function advance(record: RunRecord, event: RunEventName, when: When): RunRecord | undefined {
  const state = nextState(record.state, event)
  if (state === undefined) return undefined
  if (state === record.state) return record
  return { ...record, state, states: enter(record.states, state, when) }
}

function enter(states: readonly StateTime[], state: RunRecord['state'], when: When): readonly StateTime[] {
  const entered: StateTime[] = states.slice()
  const last = entered.pop()
  if (last) entered.push({ ...last, durationMs: Math.max(0, Math.round(when.lastedMs)) })
  entered.push({ state, enteredAtMs: when.atMs, durationMs: 0 })
  return entered
}

/** Gives the next attempt to a node. */
export function assign(
  record: RunRecord,
  place: Omit<Holding, 'attempt'>,
  options: { readonly replaceable: boolean; readonly lostAfterMs: number; readonly machineType: string },
): RunRecord {
  const attempt = record.attempt + 1
  return {
    ...record,
    attempt,
    nodeId: place.nodeId,
    holdings: [...record.holdings, { attempt, ...place }],
    gpuUuids: place.gpuUuids,
    machineType: options.machineType,
    replaceable: options.replaceable,
    lostAfterMs: options.replaceable ? options.lostAfterMs : 0,
    appliedReport: 0,
  }
}

/** Stop or kill by a person. undefined: it has finished. */
export function ask(
  record: RunRecord,
  { intent, by }: { readonly intent: 'stop' | 'kill'; readonly by: string },
  when: When,
): RunRecord | undefined {
  const reason = `${intent === 'stop' ? 'Stopped' : 'Killed'} by ${by}`
  if (record.nodeId === undefined) {
    const withdrawn = advance(record, 'withdrawn', when)
    return withdrawn && { ...withdrawn, reason: `${reason} before it started` }
  }
  const asked = advance(record, intent === 'stop' ? 'stop_asked' : 'kill_asked', when)
  if (asked === undefined) return undefined
  // A run that is already being saved ended by itself: asking it to stop then changes nothing.
  if (asked === record) return record
  return record.intent === 'kill' ? { ...asked, intent: 'kill' } : { ...asked, intent, reason }
}

/** The record after the newest attempt's next report. Reports that say nothing new about the run still count. */
export function applyReport(record: RunRecord, report: Report, when: When): RunRecord {
  const counted: RunRecord = { ...record, appliedReport: report.number }
  const released = report.released ? release(counted, report.id.attempt) : counted
  if (isFinal(record.state)) return afterTheEnd(released, report.event)
  if (report.event.kind === 'failed' && report.event.lost) {
    const lost = loseAttempt(released, report.event.reason, when)
    // What it had printed is still on its way: who follows the run is told how much of it there is.
    return isFinal(lost.state) ? { ...lost, logBytes: report.event.logBytes || lost.logBytes } : lost
  }
  if (report.event.kind === 'finished' && record.endedBy === 'fence') {
    return loseAttempt(released, 'It was ended because its node could not reach the cluster', when)
  }
  const moved = advance(released, eventOf(record, report.event), {
    ...when,
    lastedMs: measuredByLeader.has(record.state) ? when.lastedMs : report.durationMs,
  })
  return moved ? withFacts(moved, report.event) : released
}

/** States that begin or end by a decision of the leader's, which the agent's figure does not cover. */
const measuredByLeader: ReadonlySet<string> = new Set(['stopping', 'killing', 'machine_requested'])

function eventOf(record: RunRecord, event: ReportEvent): RunEventName {
  switch (event.kind) {
    case 'reached':
      return `reached_${event.state}`
    case 'ended':
      return 'ended'
    case 'saved':
      return 'saved'
    case 'finished':
      return wasStopped(record) ? 'finished_stopped' : 'finished'
    case 'failed':
      if (event.killed) return 'killed'
      if (event.step === 'building') return 'build_failure'
      if (event.step === 'mounting') return 'mount_failure'
      return 'failure'
  }
}

function wasStopped(record: RunRecord): boolean {
  return record.intent === 'stop' || (record.endedBy !== undefined && record.endedBy !== 'itself')
}

function withFacts(record: RunRecord, event: ReportEvent): RunRecord {
  switch (event.kind) {
    case 'reached':
      return event.dockerImageDigest === undefined
        ? record
        : { ...record, dockerImageDigest: event.dockerImageDigest }
    case 'ended':
      return {
        ...record,
        exitCode: event.exitCode,
        outOfMemory: event.outOfMemory,
        endedBy: event.endedBy,
        logBytes: event.logBytes,
        reason: event.reason || record.reason,
      }
    case 'saved':
      // A kill saves nothing, even where the node was quicker than the order.
      return record.state === 'killing' ? record : { ...record, ...outputs(event) }
    case 'finished':
      return record
    case 'failed':
      return {
        ...record,
        logBytes: event.logBytes || record.logBytes,
        ...(record.state === 'killed' ? {} : { failedStep: event.step, reason: event.reason }),
      }
  }
}

function outputs(event: Extract<ReportEvent, { kind: 'saved' }>) {
  return {
    manifestSha256: event.manifestSha256,
    savedFiles: event.files,
    savedBytes: event.totalBytes,
  }
}

/** What an interrupted run's last attempt brings later is taken in once and noted; its state stays. */
function afterTheEnd(record: RunRecord, event: ReportEvent): RunRecord {
  if (record.state !== 'interrupted') return record
  if (event.kind === 'ended') {
    return {
      ...record,
      exitCode: record.exitCode ?? event.exitCode,
      logBytes: record.logBytes || event.logBytes,
    }
  }
  if (event.kind === 'failed') return { ...record, logBytes: record.logBytes || event.logBytes }
  if (event.kind !== 'saved' || event.manifestSha256 === undefined) return record
  if (record.manifestSha256 !== undefined) return record
  return {
    ...record,
    ...outputs(event),
    notes: [...record.notes, 'outputs arrived after the run was interrupted'],
  }
}

/** From now on nothing of that attempt holds devices, cores or memory. */
export function release(record: RunRecord, attempt: number): RunRecord {
  if (!record.holdings.some((holding) => holding.attempt === attempt)) return record
  return { ...record, holdings: record.holdings.filter((holding) => holding.attempt !== attempt) }
}

/** The newest attempt is gone: a replaceable one that nobody asked to end is repeated, another's run is interrupted. */
export function loseAttempt(record: RunRecord, reason: string, when: When): RunRecord {
  const repeated = record.replaceable ? advance(record, 'repeat', when) : undefined
  if (repeated) return forNextAttempt(repeated, reason)
  const lost = advance(record, 'lost', when)
  if (lost === undefined) return record
  return lost.state === 'killed' ? lost : { ...lost, reason }
}

function forNextAttempt(record: RunRecord, reason: string): RunRecord {
  return {
    ...record,
    nodeId: undefined,
    gpuUuids: [],
    intent: 'none',
    appliedReport: 0,
    exitCode: undefined,
    outOfMemory: false,
    endedBy: undefined,
    reason: '',
    logBytes: 0,
    manifestSha256: undefined,
    savedFiles: 0,
    savedBytes: 0,
    dockerImageDigest: undefined,
    notes: [...record.notes, `attempt ${record.attempt} was lost: ${reason}`].slice(-20),
  }
}
