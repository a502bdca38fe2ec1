import { RpcError } from '../../common/errors.js'
import type { AttachedFile__Output } from '../gen/spell/v1/AttachedFile.js'
import type { Code__Output } from '../gen/spell/v1/Code.js'
import type { Environment__Output } from '../gen/spell/v1/Environment.js'
import type { Limits__Output } from '../gen/spell/v1/Limits.js'
import type { MachineRequest__Output } from '../gen/spell/v1/MachineRequest.js'
import type { RunSpec__Output } from '../gen/spell/v1/RunSpec.js'
import type {
  AttachedFile,
  Code,
  Environment,
  Limits,
  MachineRequest,
  RunSpec,
  StopTerm,
} from '../model/run-spec.js'

/** Throws INVALID_ARGUMENT on words that this version does not know. Says nothing about whether the request makes sense. */
export function runSpecFromWire(wire: RunSpec__Output): RunSpec {
  return {
    kind: kindFromWire(wire.kind),
    command: wire.command,
    machine: machineFromWire(wire.machine),
    nodeCount: wire.nodeCount || 1,
    code: codeFromWire(wire.code),
    environment: environmentFromWire(wire.environment),
    mounts: wire.mounts.map(({ resource, path }) => ({ resource, path })),
    env: wire.env.map(({ name, value }) => ({ name, value })),
    stopConditions: wire.stopConditions.map(({ terms }) =>
      terms.map(({ metric, operator, value, minimumIndex }) => ({
        metric,
        operator: operatorFromWire(operator),
        value,
        minimumIndex,
      })),
    ),
    limits: limitsFromWire(wire.limits),
    labels: [...wire.labels],
    project: wire.project || undefined,
    description: wire.description,
    resumeFrom: wire.resume?.fromRunId || undefined,
    tensorboardDir: wire.tensorboardDir || undefined,
    idempotent: wire.idempotent,
    hyperparameters: { ...wire.hyperparameters },
  }
}

export function runSpecToWire(spec: RunSpec): object {
  return {
    kind: spec.kind.toUpperCase(),
    command: spec.command,
    machine: machineToWire(spec.machine),
    nodeCount: spec.nodeCount,
    code: codeToWire(spec.code),
    environment: environmentToWire(spec.environment),
    mounts: spec.mounts,
    env: spec.env,
    stopConditions: spec.stopConditions.map((terms) => ({ terms })),
    limits: limitsToWire(spec.limits),
    labels: spec.labels,
    project: spec.project ?? '',
    description: spec.description,
    resume: spec.resumeFrom === undefined ? null : { fromRunId: spec.resumeFrom },
    tensorboardDir: spec.tensorboardDir ?? '',
    idempotent: spec.idempotent,
    hyperparameters: spec.hyperparameters,
  }
}

function kindFromWire(kind: string): RunSpec['kind'] {
  switch (kind) {
    case 'RUN_KIND_UNSPECIFIED':
    case 'USER':
      return 'user'
    case 'WORKSPACE':
      return 'workspace'
    case 'TENSORBOARD':
      return 'tensorboard'
    default:
      throw new RpcError('INVALID_ARGUMENT', `This coordinator does not know the kind of run ${kind}.`)
  }
}

function machineFromWire(wire: MachineRequest__Output | null): MachineRequest {
  const capability = wire?.capability
  if (!capability) return { kind: 'type', name: wire?.typeName || 'CPU' }
  const { gpuCount, gpuModels, gpuMemoryBytes, cpus, memoryBytes, diskBytes, nodeLabels } = capability
  return { kind: 'capability', gpuCount, gpuModels, gpuMemoryBytes, cpus, memoryBytes, diskBytes, nodeLabels }
}

function machineToWire(machine: MachineRequest): object {
  if (machine.kind === 'type') return { typeName: machine.name }
  const { kind: _, ...capability } = machine
  return { capability }
}

function codeFromWire(wire: Code__Output | null): Code {
  if (wire?.synced) return { kind: 'synced', ...wire.synced }
  if (wire?.git) return { kind: 'git', url: wire.git.url, ref: wire.git.ref }
  return { kind: 'none' }
}

function codeToWire(code: Code): object | null {
  const { kind, ...fields } = code
  return kind === 'none' ? null : { [kind]: fields }
}

function environmentFromWire(wire: Environment__Output | null): Environment {
  return {
    framework: wire?.framework || undefined,
    dockerImage: wire?.dockerImage || undefined,
    pipPackages: wire?.pipPackages ?? [],
    pipRequirements: (wire?.pipRequirements ?? []).map(fileFromWire),
    aptPackages: wire?.aptPackages ?? [],
    condaFile: wire?.condaFile ? fileFromWire(wire.condaFile) : undefined,
    rebuild: wire?.rebuild ?? false,
  }
}

function environmentToWire(environment: Environment): object {
  return {
    framework: environment.framework ?? '',
    dockerImage: environment.dockerImage ?? '',
    pipPackages: environment.pipPackages,
    pipRequirements: environment.pipRequirements.map(fileToWire),
    aptPackages: environment.aptPackages,
    condaFile: environment.condaFile ? fileToWire(environment.condaFile) : null,
    rebuild: environment.rebuild,
  }
}

function fileFromWire(wire: AttachedFile__Output): AttachedFile {
  return { name: wire.name, contentBase64: wire.content.toString('base64') }
}

function fileToWire(file: AttachedFile): object {
  return { name: file.name, content: Buffer.from(file.contentBase64, 'base64') }
}

function operatorFromWire(operator: string): StopTerm['operator'] {
  switch (operator) {
    case '<':
    case '>':
    case '<=':
    case '>=':
      return operator
    default:
      throw new RpcError(
        'INVALID_ARGUMENT',
        `A stop condition compares with < > <= >=, not with "${operator}".`,
      )
  }
}

const autoResumeWords = {
  AUTO_RESUME_DEFAULT: 'default',
  AUTO_RESUME_ON: 'on',
  AUTO_RESUME_OFF: 'off',
} as const

function limitsFromWire(wire: Limits__Output | null): Limits {
  return {
    timeoutMs: wire?.timeoutMs || undefined,
    graceMs: wire?.graceMs || undefined,
    autoResume: wire ? autoResumeWords[wire.autoResume] : 'default',
    diskBytes: wire?.diskBytes || undefined,
  }
}

function limitsToWire(limits: Limits): object {
  return {
    timeoutMs: limits.timeoutMs ?? 0,
    graceMs: limits.graceMs ?? 0,
    autoResume: `AUTO_RESUME_${limits.autoResume.toUpperCase()}`,
    diskBytes: limits.diskBytes ?? 0,
  }
}
