import { isFinal } from '../../proto/model/run-state.js'
import { wholeGpu } from '../core/gpu-owners.js'
import { minus, nothing, plus } from '../core/node-parts.js'
import { forbids } from '../core/placement-rules.js'
import type { NodeDetails, NodeRecord, NodeRun, NodeView } from '../core/records.js'
import { knownDemands } from './cluster-views.js'
import { machineTypeOf } from './membership.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'

export function nodeViews(term: Term): readonly NodeView[] {
  return [...term.memory.nodes.values()].map((record) => nodeView(term, record))
}

export function nodeView(term: Term, record: NodeRecord): NodeView {
  const { memory, links } = term
  const { pool } = memory.runs.placement
  const node = pool.nodes.get(record.id)
  const unusable = new Map(node?.devices.map(({ uuid, unusable }) => [uuid, unusable]))
  return {
    ...{ id: record.id, name: record.name, version: record.version, inventory: record.inventory },
    connected: links.isConnected(record.id),
    lastHeardMs: links.lastHeardMs(record.id),
    gpus: record.inventory.gpus.map((gpu) => ({
      ...gpu,
      unusableReason: unusable.get(gpu.uuid) ?? gpu.unusableReason,
      heldByRunId: pool.holder(gpu.uuid),
    })),
    runIds: [...new Set(nodeRuns(term, record.id).map(({ runId }) => runId))],
    warnings: [...record.inventory.warnings, ...sharedGpus(term, record)],
    cordon: record.cordon,
    labels: memory.labelsOf(record),
    givenUp: record.givenUp !== undefined,
  }
}

/** What a node's own agent can't know. */
export function leaderWarnings(term: Term, nodeId: string): readonly string[] {
  const record = term.memory.nodes.get(nodeId)
  if (!record) return []
  const cordon = record.cordon?.kind === 'cluster' ? [`It gets no new runs: ${record.cordon.reason}`] : []
  return [...cordon, ...sharedGpus(term, record)]
}

/** A GPU that several nodes show can be in one machine only: somebody copied what makes a node, or set it up twice. */
function sharedGpus({ memory }: Term, { id, inventory }: NodeRecord): readonly string[] {
  const { pool } = memory.runs.placement
  const nameOf = (nodeId: string) => memory.nodes.get(nodeId)?.name ?? nodeId
  return [...new Set(inventory.gpus.map(wholeGpu))].flatMap((uuid) => {
    const others = pool.shownBy(uuid).filter((other) => other !== id)
    const owner = pool.ownerOf(uuid) ?? id
    if (others.length === 0) return []
    const [first, second] = owner === id ? [id, others[0] ?? id] : [owner, id]
    return [`GPU ${uuid} belongs to node ${nameOf(first)}, and node ${nameOf(second)} shows it too`]
  })
}

export function nodeDetails(term: Term, record: NodeRecord): NodeDetails {
  const { memory } = term
  const { pool } = memory.runs.placement
  const node = pool.nodes.get(record.id)
  return {
    node: nodeView(term, record),
    ...{ machineId: record.machineId, bootId: record.bootId },
    free: node ? minus(node, plus(node.used.cpu, node.used.gpu)) : nothing,
    forCpuRuns: node?.parts.cpu ?? nothing,
    runs: nodeRuns(term, record.id),
    joinedAs: machineTypeOf(memory, record.id) ?? '',
    machineTypes: knownDemands(memory)
      .filter((demand) => node && forbids(pool, node, demand)?.kind !== 'never')
      .map(({ typeName }) => typeName),
  }
}

/** Whatever holds something of the node, and runs that have yet to end there; in order of id. */
export function nodeRuns(term: Term, nodeId: string): readonly NodeRun[] {
  return term.memory.runs
    .onNode(nodeId)
    .flatMap((entry) => attemptsOn(entry, nodeId))
    .sort((a, b) => a.runId - b.runId || a.attempt - b.attempt)
}

function attemptsOn({ origin, record }: RunEntry, nodeId: string): readonly NodeRun[] {
  const holding = record.holdings.filter((one) => one.nodeId === nodeId).map(({ attempt }) => attempt)
  const current = record.nodeId === nodeId && !isFinal(record.state) ? [record.attempt] : []
  return [...new Set([...holding, ...current])].map((attempt) => ({
    runId: record.id,
    attempt,
    state: record.state,
    creator: origin.creator,
    machineType: record.machineType,
    current: record.nodeId === nodeId && record.attempt === attempt,
    holds: holding.includes(attempt),
  }))
}
