import { RpcError } from '../../common/errors.js'
import { attemptKey } from '../../proto/model/attempt.js'
import type { AgentHello } from '../../proto/model/link.js'
import { encode } from '../core/record-codec.js'
import type { Cordon, NodeRecord } from '../core/records.js'
import type { Term } from './term.js'

// A node is one machine. Whoever copies a node's folder, or a disk image with it, makes two of it: they would take the link
// from one another, and each would seem to have lost what the other runs. Machines without an id can't be told apart.

/**
 * The record to go on with where a node's id comes from another machine than before: it is cordoned until somebody has
 * looked. FAILED_PRECONDITION: the machine known so far is connected, or has runs that this one knows nothing of.
 */
export function seenOnMachine(term: Term, hello: AgentHello, before: NodeRecord): NodeRecord {
  if (before.machineId === '' || hello.machineId === '' || before.machineId === hello.machineId) return before
  const cordoned: NodeRecord = { ...before, cordon: before.cordon ?? cordonFor(term, hello, before) }
  const connected = term.links.isConnected(before.id) && term.links.silentMs(before.id) === 0
  if (!connected && namesAllOf(term, hello)) return cordoned
  if (!before.cordon) {
    term.memory.setNode(cordoned)
    term.writes.post([{ key: term.writes.keys.node(before.id), value: encode(cordoned) }])
  }
  const what = connected ? 'is connected' : 'has runs that this one does not know'
  throw new RpcError(
    'FAILED_PRECONDITION',
    `Node ${before.name} (${before.id}) is the machine ${before.machineId}, which ${what}; this is the machine ${hello.machineId}. Join it as a node of its own.`,
  )
}

function cordonFor(term: Term, hello: AgentHello, { machineId }: NodeRecord): Cordon {
  const reason = `its id is used by two machines: ${machineId} and ${hello.machineId}`
  return { kind: 'cluster', reason, by: '', atMs: term.parts.clock.now() }
}

/** Whether the machine has every attempt that its node is known to hold: then its system alone was made anew. */
function namesAllOf({ memory }: Term, hello: AgentHello): boolean {
  const named = new Set(hello.attempts.map(({ id }) => attemptKey(id)))
  return memory.runs
    .onNode(hello.nodeId)
    .flatMap(({ record }) => record.holdings.map((holding) => ({ ...holding, runId: record.id })))
    .filter(({ nodeId }) => nodeId === hello.nodeId)
    .every(({ runId, attempt }) => named.has(attemptKey({ runId, attempt })))
}
