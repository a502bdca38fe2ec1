import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { stateFromWire } from '../../proto/model/run-state.js'

// A run as `--json` shows it. These names are promised in docs/cli.md: add to them, change none.

export function runAsJson(run: Run__Output): object {
  const spec = run.spec
  const synced = spec?.code?.synced
  return {
    id: run.id,
    state: stateFromWire(run.state),
    exit_code: run.exitCode ?? null,
    out_of_memory: run.outOfMemory,
    reason: run.reason,
    failed_step: run.failedStep,
    command: spec?.command ?? '',
    description: spec?.description ?? '',
    creator: run.creator,
    project: run.project || null,
    labels: run.labels,
    archived: run.archived,
    repository: repositoryOf(run) || null,
    commit: synced?.commitHash ?? (spec?.code?.git?.ref || null),
    tree: synced?.treeHash ?? null,
    github_url: spec?.code?.git?.url ?? null,
    machine_type: machineOf(run),
    node: run.nodeName || null,
    node_unreachable_ms: run.nodeUnreachableMs,
    gpus: run.gpuUuids,
    attempt: run.attempt,
    queue_position: run.queuePosition || null,
    created_at: timeAsJson(run.createdAtMs),
    started_at: timeAsJson(startedAtMs(run)),
    ended_at: timeAsJson(endedAtMs(run)),
    states: run.states.map((entry) => ({
      state: stateFromWire(entry.state),
      entered_at: timeAsJson(entry.enteredAtMs),
      duration_ms: entry.durationMs,
    })),
    docker_image: spec?.environment?.dockerImage || null,
    docker_image_digest: run.dockerImageDigest || null,
    framework: spec?.environment?.framework || null,
    pip_packages: spec?.environment?.pipPackages ?? [],
    apt_packages: spec?.environment?.aptPackages ?? [],
    mounts: (spec?.mounts ?? []).map(({ resource, path }) => ({ resource, path })),
    env: Object.fromEntries((spec?.env ?? []).map(({ name, value }) => [name, value])),
    log_bytes: run.logBytes,
    saved_files: run.savedFiles,
    saved_bytes: run.savedBytes,
    notes: run.notes,
  }
}

/** ISO 8601 in UTC; null for a time that is not known. */
export function timeAsJson(milliseconds: number): string | null {
  return milliseconds > 0 ? new Date(milliseconds).toISOString() : null
}

/** When its first machine began to work for it. */
export function startedAtMs(run: Run__Output): number {
  const first = run.states.find(
    (entry) => !['user_requested', 'machine_requested'].includes(stateFromWire(entry.state)),
  )
  return first?.enteredAtMs ?? 0
}

export function endedAtMs(run: Run__Output): number {
  const last = run.states.at(-1)
  return last && finalWire.has(last.state) ? last.enteredAtMs : 0
}

export function machineOf(run: Run__Output): string {
  const machine = run.spec?.machine
  if (run.machineType) return run.machineType
  if (machine?.capability) return `${machine.capability.gpuCount} GPUs`
  return machine?.typeName || 'CPU'
}

/** Name of the repository whose code the run has; empty without one. */
export function repositoryOf(run: Run__Output): string {
  const code = run.spec?.code
  if (code?.synced) return code.synced.repositoryName
  const url = code?.git?.url ?? ''
  return url
    .replace(/\/+$/, '')
    .replace(/\.git$/, '')
    .replace(/^.*[/:]/, '')
}

const finalWire: ReadonlySet<string> = new Set([
  'COMPLETE',
  'FAILED',
  'BUILD_FAILED',
  'MOUNT_FAILED',
  'KILLED',
  'STOPPED',
  'INTERRUPTED',
])
