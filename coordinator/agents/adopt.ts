import { RpcError } from '../../common/errors.js'
import type { Assignment } from '../../proto/model/attempt.js'
import { encodeStatus } from '../core/record-codec.js'
import type { RunOrigin, RunRecord } from '../core/records.js'
import { advance, newRun } from '../core/run-changes.js'
import { sealedSpec } from '../leader/sealed-env.js'
import { maxSpecBytes } from '../leader/submit.js'
import type { Term } from '../leader/term.js'
import type { Put } from '../leader/types.js'
import { boundedAssignment } from './bounded.js'
import { isAhead } from './hello.js'

/** Of a run's two records, which are committed in one transaction. */
const maxAdoptedBytes = maxSpecBytes + 128 * 1024

/**
 * Takes over an attempt that a node runs and the leader does not know: etcd was restored from a backup older than the run
 * or than the attempt. It goes on as it is; its next reports say how far it is. Gives what is to be committed beside it;
 * undefined: the attempt does not count, and is to be ended. RESOURCE_EXHAUSTED: nobody can have submitted so much.
 * FAILED_PRECONDITION: it has environment variables, and there is no key to seal them with.
 */
export function adopt(
  term: Term,
  described: Assignment,
  from: { readonly nodeId: string; readonly released: boolean },
): readonly Put[] | undefined {
  const { memory, writes, restoreGuard } = term
  const assignment = boundedAssignment(described)
  const { id, spec } = assignment
  if (!isAhead(term, id)) return undefined
  const known = memory.runs.get(id.runId)
  const origin: RunOrigin = known?.origin ?? {
    ...{
      id: id.runId,
      creator: assignment.creator,
      createdAtMs: assignment.createdAtMs,
      requestId: '',
    },
    ...sealedSpec(term.parts.trust.clusterKey, id.runId, spec),
  }
  const originPut = writes.originPut(origin)
  const before =
    known?.record ?? newRun(origin, { state: 'machine_requested', machineType: assignment.machineType })
  const when = known ? memory.runs.now(known) : { atMs: term.parts.clock.now(), lastedMs: 0 }
  const adopted = adoptedRecord(assignment, from, before)
  // A run that was heard of, so that it is never taken for one that its node has yet to start.
  const record = advance(adopted, 'reached_building', when) ?? adopted
  if (Buffer.byteLength(originPut.value) + Buffer.byteLength(encodeStatus(record)) > maxAdoptedBytes)
    throw new RpcError('RESOURCE_EXHAUSTED', `What the node says of run ${id.runId} is too large to be kept.`)
  restoreGuard.note(id.runId, `node ${from.nodeId}`)
  if (known) memory.runs.set(known, record)
  else memory.runs.add(origin, record, memory.demandOf(spec.machine))
  return known ? [] : [originPut]
}

function adoptedRecord(
  assignment: Assignment,
  { nodeId, released }: { readonly nodeId: string; readonly released: boolean },
  record: RunRecord,
): RunRecord {
  const { id, gpuUuids, cpus, memoryBytes, machineType, replaceable, lostAfterMs } = assignment
  const holding = { attempt: id.attempt, nodeId, gpuUuids, cpus, memoryBytes }
  return {
    ...record,
    attempt: id.attempt,
    nodeId,
    holdings: released ? record.holdings : [...record.holdings, holding],
    ...{ gpuUuids, machineType, replaceable, lostAfterMs, appliedReport: 0 },
    notes: [...record.notes, `taken over from its node ${nodeId}: the cluster did not know it`],
  }
}
