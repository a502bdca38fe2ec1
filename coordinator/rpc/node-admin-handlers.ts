import { RpcError } from '../../common/errors.js'
import type { CordonRequest__Output } from '../../proto/gen/spell/v1/CordonRequest.js'
import type { DrainRequest__Output } from '../../proto/gen/spell/v1/DrainRequest.js'
import type { NodeName__Output } from '../../proto/gen/spell/v1/NodeName.js'
import type { RemoveNodeRequest__Output } from '../../proto/gen/spell/v1/RemoveNodeRequest.js'
import type { SetNodeLabelRequest__Output } from '../../proto/gen/spell/v1/SetNodeLabelRequest.js'
import { stateToWire } from '../../proto/model/run-state.js'
import type { Cordon, NodeDetails, NodeView } from '../core/records.js'
import { type Handlers, unary } from './call.js'
import { labelRefusal } from './submit-rules.js'
import { hasControlCharacters } from './text.js'
import type { UserCall } from './user-call.js'

export const nodeAdminHandlers: Handlers<UserCall> = {
  'Nodes/Get': unary<NodeName__Output, UserCall>(async ({ name }, { leader }) =>
    detailsToWire(await leader.nodeAdmin.get(name)),
  ),
  'Nodes/Cordon': unary<CordonRequest__Output, UserCall>(async ({ name, reason }, { leader, user }) => {
    checkReason(reason)
    return detailsToWire(await leader.nodeAdmin.cordon(user, name, reason))
  }),
  'Nodes/Uncordon': unary<NodeName__Output, UserCall>(async ({ name }, { leader }) =>
    detailsToWire(await leader.nodeAdmin.uncordon(name)),
  ),
  'Nodes/Drain': unary<DrainRequest__Output, UserCall>(async ({ name, ...wish }, { leader, user }) => {
    checkReason(wish.reason)
    return detailsToWire(await leader.nodeAdmin.drain(user, name, wish))
  }),
  'Nodes/Remove': unary<RemoveNodeRequest__Output, UserCall>(({ name, lost }, { leader, user }) =>
    leader.nodeAdmin.remove(user, name, { lost }),
  ),
  'Nodes/SetLabel': unary<SetNodeLabelRequest__Output, UserCall>(
    async ({ name, label, remove }, { leader }) => {
      const refusal = labelRefusal(label)
      if (refusal !== undefined) throw new RpcError('INVALID_ARGUMENT', refusal)
      return detailsToWire(await leader.nodeAdmin.setLabel(name, { label, remove }))
    },
  ),
}

function checkReason(reason: string): void {
  if (reason.length > 500 || hasControlCharacters(reason))
    throw new RpcError(
      'INVALID_ARGUMENT',
      'A reason has at most 500 characters, none of them a control character.',
    )
}

export function nodeToWire(node: NodeView): object {
  const { inventory, gpus, lastHeardMs, cordon, ...rest } = node
  return {
    ...rest,
    lastHeardMs: Math.round(lastHeardMs ?? 0),
    runtime: inventory.runtime,
    cpus: inventory.cpus,
    memoryBytes: inventory.memoryBytes,
    gpuDriverVersion: inventory.gpuDriverVersion ?? '',
    gpus: gpus.map(({ heldByRunId, ...gpu }) => ({ ...gpu, heldByRunId: heldByRunId ?? 0 })),
    cordon: cordon ? { ...cordon, kind: cordonKinds[cordon.kind] } : null,
  }
}

const cordonKinds: Readonly<Record<Cordon['kind'], string>> = {
  person: 'CORDON_BY_PERSON',
  drain: 'CORDON_DRAIN',
  cluster: 'CORDON_BY_CLUSTER',
}

function detailsToWire(details: NodeDetails): object {
  const { node, free, forCpuRuns, runs, ...rest } = details
  const { runtimeVersion, diskFreeBytes } = node.inventory
  return {
    ...rest,
    node: nodeToWire(node),
    runtimeVersion,
    diskFreeBytes,
    cpusFree: Math.max(0, free.milliCpus) / 1000,
    memoryFreeBytes: Math.max(0, free.memoryBytes),
    cpusForCpuRuns: forCpuRuns.milliCpus / 1000,
    memoryForCpuRunsBytes: forCpuRuns.memoryBytes,
    runs: runs.map((run) => ({ ...run, state: stateToWire(run.state) })),
  }
}
