import { isFinal } from '../../proto/model/run-state.js'
import { loseAttempt } from '../core/run-changes.js'
import { finishRemovals } from '../leader/remove-node.js'
import type { RunEntry } from '../leader/run-book.js'
import type { Term } from '../leader/term.js'
import { lostAfterMs } from './orders.js'

/** Looks at every node's silence: to be called about every second. */
export function lookAtNodes(term: Term): void {
  const { memory, links, settings, writes } = term
  for (const { id, name } of memory.nodes.values()) {
    const unheardMs = links.unheardMs(id)
    if (unheardMs <= settings.suspectAfterMs) continue
    if (links.isConnected(id)) memory.runs.placement.pool.setAbsent(id, 'is not answering')
    for (const entry of memory.runs.onNode(id)) giveUp(term, entry, { id, name, unheardMs })
  }
  finishRemovals(term)
  // Nothing to commit in nearly every round.
  if (memory.runs.hasChanged) {
    writes.post()
    term.wake()
  }
}

/**
 * Replaceable attempts are fenced by time: their agent has ended them by now, or its machine is gone. Others are given up
 * only where an admin has said after how long. What an attempt holds stays held until its node says otherwise.
 */
function giveUp(
  { memory, settings }: Term,
  entry: RunEntry,
  node: { readonly id: string; readonly name: string; readonly unheardMs: number },
): void {
  const { record } = entry
  if (record.nodeId !== node.id || isFinal(record.state)) return
  const patience = record.replaceable ? lostAfterMs(record, settings) : settings.abandonAfterMs
  if (patience === undefined || node.unheardMs < patience) return
  const minutes = Math.round(node.unheardMs / 60_000)
  const reason = `Its machine ${node.name} was not heard for ${minutes} min`
  memory.runs.set(entry, loseAttempt(record, reason, memory.runs.now(entry)))
}
