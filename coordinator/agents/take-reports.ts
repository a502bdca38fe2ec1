import { RpcError } from '../../common/errors.js'
import { type AttemptId, attemptKey, type Report } from '../../proto/model/attempt.js'
import type { ReportAnswer } from '../../proto/model/link.js'
import { applyReport, release } from '../core/run-changes.js'
import type { RunEntry } from '../leader/run-book.js'
import type { Term } from '../leader/term.js'
import { boundedReport } from './bounded.js'

export interface Sender {
  readonly nodeId: string
  /** Attempts of which no report has come since the hello. */
  readonly fresh: Set<string>
}

/**
 * Takes one report in. Numbers are applied in order, each once: one that was applied before is answered the same again,
 * one of an attempt that does not count is refused. The first report after a hello may leave out numbers: an agent keeps
 * every report until it is answered, so those were answered by a leader whose etcd has since been restored.
 * FAILED_PRECONDITION: a number is missing.
 */
export function takeReport(term: Term, sender: Sender, report: Report): ReportAnswer {
  const { id, number } = report
  const entry = term.memory.runs.get(id.runId)
  if (!entry || !isCurrent(entry, id, sender.nodeId)) {
    if (entry && report.released) {
      term.memory.runs.set(entry, releaseFrom(entry, id, sender.nodeId))
      term.archive.consider(entry)
    }
    return { id, number, applied: false }
  }
  const key = attemptKey(id)
  const expected = entry.record.appliedReport + 1
  if (number < expected) return { id, number, applied: true }
  if (number > expected && !sender.fresh.has(key)) {
    throw new RpcError(
      'FAILED_PRECONDITION',
      `Report ${number} of attempt ${key} came where ${expected} was due.`,
    )
  }
  sender.fresh.delete(key)
  term.memory.runs.set(entry, applyReport(entry.record, boundedReport(report), term.memory.runs.now(entry)))
  return { id, number, applied: true }
}

export function isCurrent(entry: RunEntry, id: AttemptId, nodeId: string): boolean {
  return entry.record.attempt === id.attempt && entry.record.nodeId === nodeId
}

/** An attempt that no longer counts still says what it holds of its own node. */
function releaseFrom({ record }: RunEntry, { attempt }: AttemptId, nodeId: string) {
  const own = record.holdings.some((holding) => holding.attempt === attempt && holding.nodeId === nodeId)
  return own ? release(record, attempt) : record
}
