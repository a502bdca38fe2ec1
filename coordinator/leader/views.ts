import { isFinal } from '../../proto/model/run-state.js'
import type { NodeLinks } from '../agents/node-links.js'
import type { RunEdit, RunOrigin, RunRecord, RunView } from '../core/records.js'
import { whyItWaits } from '../core/why.js'
import type { Memory } from './memory.js'
import type { RunEntry } from './run-book.js'

/** A run as it is to be shown now. */
export function viewOf(memory: Memory, links: NodeLinks, entry: RunEntry): RunView {
  const { origin, record } = entry
  const view = {
    ...settledView(origin, record, memory.edits.get(record.id)),
    nodeName: nodeName(memory, record.nodeId),
  }
  if (record.state === 'user_requested') return { ...view, ...waitsForUser(memory, entry) }
  if (isFinal(record.state)) return view
  if (record.nodeId !== undefined) return { ...view, nodeUnreachableMs: links.silentMs(record.nodeId) }
  const { placement } = memory.runs
  return {
    ...view,
    queuePosition: placement.position(record.id),
    reason: whyItWaits(placement, record.id),
  }
}

/** What a run's own records say of it, such as a run in the archive. */
export function settledView(origin: RunOrigin, record: RunRecord, edit: RunEdit | undefined): RunView {
  const { state, states, attempt, nodeId, exitCode, outOfMemory, reason, failedStep, logBytes } = record
  const { manifestSha256, gpuUuids, machineType, dockerImageDigest, notes, savedFiles, savedBytes } = record
  const { labels, project, archived } = edit ?? record
  return {
    ...{ id: origin.id, creator: origin.creator, spec: origin.spec, createdAtMs: origin.createdAtMs },
    ...{
      state,
      states,
      attempt,
      nodeId,
      nodeName: nodeId,
      exitCode,
      outOfMemory,
      reason,
      failedStep,
      logBytes,
    },
    ...{ manifestSha256, gpuUuids, machineType, dockerImageDigest, notes, savedFiles, savedBytes },
    ...{ labels, project, archived, queuePosition: 0, nodeUnreachableMs: 0 },
  }
}

export function nodeName(memory: Memory, nodeId: string | undefined): string | undefined {
  return nodeId === undefined ? undefined : (memory.nodes.get(nodeId)?.name ?? nodeId)
}

function waitsForUser(memory: Memory, { origin, record }: RunEntry) {
  const { concurrency } = memory.runs
  const limit = memory.users.get(origin.creator)?.maxConcurrentRuns ?? 0
  return {
    queuePosition: concurrency.position(origin.creator, record.id),
    reason: `Waiting for ${origin.creator}'s own limit of ${limit} concurrent runs; it goes to the queue when one of them ends`,
  }
}
