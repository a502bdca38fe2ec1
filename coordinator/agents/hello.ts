import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import type { AgentHello, HeldAttempt, Order } from '../../proto/model/link.js'
import { isFinal } from '../../proto/model/run-state.js'
import { advance, loseAttempt, release } from '../core/run-changes.js'
import { isUnheardOf, verdictOn } from '../core/wanted.js'
import type { RunEntry } from '../leader/run-book.js'
import type { Term } from '../leader/term.js'
import { orderFor } from './orders.js'

/** What follows from comparing what a node holds with what the leader knows of it. */
export interface Comparison {
  /** One for each attempt that the hello named. */
  readonly verdicts: readonly Order[]
  /** For attempts that the node was given and has never heard of. */
  readonly starts: readonly Order[]
}

/** Changes memory: frees what the node does not hold, ends what it has lost. The caller commits and then sends. */
export function compareHello(term: Term, hello: AgentHello, sameBoot: boolean): Comparison {
  const held = new Map(hello.attempts.map((attempt) => [attemptKey(attempt.id), attempt]))
  const starts = term.memory.runs
    .onNode(hello.nodeId)
    .flatMap((entry) => compareRun(term, entry, { held, nodeId: hello.nodeId, sameBoot }))
  return { verdicts: hello.attempts.map((attempt) => verdictFor(term, attempt, hello.nodeId)), starts }
}

interface Known {
  readonly held: ReadonlyMap<string, HeldAttempt>
  readonly nodeId: string
  readonly sameBoot: boolean
}

function compareRun(term: Term, entry: RunEntry, { held, nodeId, sameBoot }: Known): readonly Order[] {
  const { runs } = term.memory
  const { id, attempt } = entry.record
  const current = entry.record.nodeId === nodeId
  const isHeld = held.has(attemptKey({ runId: id, attempt }))
  if (current && isUnheardOf(entry.record)) {
    if (!isHeld) return [orderFor(term, entry)]
    // The node has it, whatever becomes of its first report: from now on it can be lost, but not started again.
    runs.set(entry, advance(entry.record, 'reached_building', runs.now(entry)) ?? entry.record)
  }
  for (const holding of entry.record.holdings) {
    const named = held.get(attemptKey({ runId: id, attempt: holding.attempt }))
    if (holding.nodeId === nodeId && (!named || named.released))
      runs.set(entry, release(entry.record, holding.attempt))
  }
  if (current && !isHeld && !isFinal(entry.record.state)) runs.set(entry, lostRecord(term, entry, sameBoot))
  if (current && !isHeld && isFinal(entry.record.state)) entry.forgotten = true
  term.archive.consider(entry)
  return []
}

function lostRecord(term: Term, entry: RunEntry, sameBoot: boolean) {
  const when = term.memory.runs.now(entry)
  if (entry.record.state === 'killing') return advance(entry.record, 'lost', when) ?? entry.record
  const node = term.memory.nodes.get(entry.record.nodeId ?? '')?.name ?? entry.record.nodeId
  const cause = sameBoot ? 'came back without the run' : 'was restarted and came back without the run'
  return loseAttempt(entry.record, `Its machine ${node} ${cause}`, when)
}

export function verdictFor(term: Term, held: HeldAttempt, nodeId: string): Order {
  const { memory, archive } = term
  const entry = memory.runs.get(held.id.runId)
  if (entry && !isAhead(term, held.id)) {
    const lastAppliedReport =
      held.id.attempt === entry.record.attempt ? entry.record.appliedReport : held.lastReport
    return { id: held.id, ...verdictOn(entry.record, held, nodeId), assignment: undefined, lastAppliedReport }
  }
  const archived = !entry && archive.has(held.id.runId)
  const wanted = !archived ? 'describe' : held.ended ? 'forget' : 'kill'
  return {
    ...{ id: held.id, wanted, assignment: undefined, lastAppliedReport: archived ? held.lastReport : 0 },
    reason: archived ? 'the run has ended and is in the archive' : 'not known here',
  }
}

/** A node may know this attempt and etcd does not: it was restored from a backup older than the run, or the attempt. */
export function isAhead({ memory, archive }: Term, id: AttemptId): boolean {
  const record = memory.runs.get(id.runId)?.record
  if (!record) return !archive.has(id.runId)
  return id.attempt > record.attempt && !isFinal(record.state)
}

/** Whether no record says what the attempt holds of that node. */
export function holdsUnknown(term: Term, held: HeldAttempt, nodeId: string): boolean {
  if (held.released) return false
  const holdings = term.memory.runs.get(held.id.runId)?.record.holdings ?? []
  return !holdings.some((holding) => holding.attempt === held.id.attempt && holding.nodeId === nodeId)
}
