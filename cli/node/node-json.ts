import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import type { NodeInfo__Output } from '../../proto/gen/spell/v1/NodeInfo.js'
import { stateFromWire } from '../../proto/model/run-state.js'
import { timeAsJson } from '../output/run-json.js'

// A node as `--json` shows it. These names are promised in docs/cli.md: add to them, change none.

export function nodeAsJson(node: NodeInfo__Output): object {
  const { cordon } = node
  return {
    id: node.id,
    name: node.name,
    connected: node.connected,
    last_heard_ms: node.lastHeardMs,
    runtime: node.runtime,
    cpus: node.cpus,
    memory_bytes: node.memoryBytes,
    gpus: node.gpus.map((gpu) => ({
      uuid: gpu.uuid,
      model: gpu.model,
      memory_bytes: gpu.memoryBytes,
      held_by_run: gpu.heldByRunId || null,
      unusable_reason: gpu.unusableReason || null,
      parent_uuid: gpu.parentUuid || null,
    })),
    run_ids: node.runIds,
    warnings: node.warnings,
    version: node.version,
    gpu_driver_version: node.gpuDriverVersion || null,
    cordon: cordon && {
      kind: cordonKinds[cordon.kind],
      reason: cordon.reason,
      by: cordon.by || null,
      at: timeAsJson(cordon.atMs),
    },
    labels: node.labels,
    given_up: node.givenUp,
  }
}

const cordonKinds = {
  CORDON_KIND_UNSPECIFIED: 'person',
  CORDON_BY_PERSON: 'person',
  CORDON_DRAIN: 'drain',
  CORDON_BY_CLUSTER: 'cluster',
} as const

export function detailsAsJson(details: NodeDetails__Output): object {
  return {
    ...(details.node ? nodeAsJson(details.node) : {}),
    machine_id: details.machineId || null,
    boot_id: details.bootId || null,
    runtime_version: details.runtimeVersion || null,
    disk_free_bytes: details.diskFreeBytes,
    cpus_free: details.cpusFree,
    memory_free_bytes: details.memoryFreeBytes,
    cpus_for_cpu_runs: details.cpusForCpuRuns,
    memory_for_cpu_runs_bytes: details.memoryForCpuRunsBytes,
    runs: details.runs.map((run) => ({
      id: run.runId,
      attempt: run.attempt,
      state: stateFromWire(run.state),
      creator: run.creator,
      machine_type: run.machineType,
      current: run.current,
      holds: run.holds,
    })),
    joined_as: details.joinedAs || null,
    machine_types: details.machineTypes,
  }
}
