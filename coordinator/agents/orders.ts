import type { Assignment } from '../../proto/model/attempt.js'
import type { Order } from '../../proto/model/link.js'
import type { RunRecord } from '../core/records.js'
import { wantedOf } from '../core/wanted.js'
import type { RunEntry } from '../leader/run-book.js'
import { unsealedSpec } from '../leader/sealed-env.js'
import type { Term } from '../leader/term.js'

/** What is wanted of these runs' newest attempts now. Made before the commit, sent after it by calling the result. */
export function prepareOrders(term: Term, entries: Iterable<RunEntry>): () => void {
  const orders = new Map<string, Order[]>()
  for (const entry of entries) {
    const { nodeId } = entry.record
    if (nodeId === undefined) continue
    const ofNode = orders.get(nodeId)
    if (ofNode) ofNode.push(orderFor(term, entry))
    else orders.set(nodeId, [orderFor(term, entry)])
  }
  return () => {
    for (const [nodeId, ofNode] of orders) term.links.order(nodeId, ofNode)
  }
}

export function orderFor(term: Term, entry: RunEntry): Order {
  const { record } = entry
  const { wanted, reason } = wantedOf(record)
  return {
    id: { runId: record.id, attempt: record.attempt },
    wanted,
    assignment: wanted === 'start' ? assignmentOf(term, entry) : undefined,
    lastAppliedReport: record.appliedReport,
    reason,
  }
}

/** As the node was told, whatever the setting is by now: an attempt is never repeated before its node has ended it. */
export function lostAfterMs(
  record: Pick<RunRecord, 'lostAfterMs'>,
  settings: { readonly lostAfterMs: number },
): number {
  return record.lostAfterMs || settings.lostAfterMs
}

function assignmentOf({ settings, memory, parts }: Term, { origin, record, demand }: RunEntry): Assignment {
  const holding = record.holdings.find(({ attempt }) => attempt === record.attempt)
  const { limits } = origin.spec
  return {
    id: { runId: record.id, attempt: record.attempt },
    creator: origin.creator,
    createdAtMs: origin.createdAtMs,
    spec: unsealedSpec(parts.trust.clusterKey, origin),
    defaultImage: memory.settings.get('default-image') ?? '',
    cpus: holding?.cpus ?? 0,
    memoryBytes: holding?.memoryBytes ?? 0,
    gpuUuids: record.gpuUuids,
    machineType: record.machineType,
    replaceable: record.replaceable,
    lostAfterMs: record.replaceable ? lostAfterMs(record, settings) : 0,
    graceMs: limits.graceMs ?? settings.graceMs,
    diskBytes: limits.diskBytes ?? (demand.diskBytes || settings.diskLimitBytes),
    logLimitBytes: settings.logLimitBytes,
  }
}
