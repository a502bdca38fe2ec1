import type { RunSpec } from './run-spec.js'

/** One try at executing a run, numbered from 1 by the leader. */
export interface AttemptId {
  readonly runId: number
  readonly attempt: number
}

/** `7.1`: for maps, file names and container names. */
export function attemptKey(id: AttemptId): string {
  return `${id.runId}.${id.attempt}`
}

/** Everything a node needs to carry one attempt through. Field meanings and units: proto/spell/v1/agent.proto. */
export interface Assignment {
  readonly id: AttemptId
  readonly creator: string
  readonly createdAtMs: number
  readonly spec: RunSpec
  readonly defaultImage: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpuUuids: readonly string[]
  readonly machineType: string
  readonly replaceable: boolean
  readonly lostAfterMs: number
  readonly graceMs: number
  readonly diskBytes: number
  readonly logLimitBytes: number
}

/** What the leader wants of an attempt. A state: repeating it changes nothing. */
export type Wanted = 'start' | 'keep' | 'stop_and_save' | 'kill' | 'forget' | 'describe'

/** What happened to an attempt. Kept on the node until the leader has answered it. */
export interface Report {
  readonly id: AttemptId
  /** Ascends by one from 1 within an attempt. */
  readonly number: number
  /** How long the state that this report ends has lasted, on the node's monotonic clock. */
  readonly durationMs: number
  /** From this report on nothing of the attempt holds devices, cores or memory. */
  readonly released: boolean
  readonly event: ReportEvent
}

export type ReportEvent =
  | {
      readonly kind: 'reached'
      readonly state: 'building' | 'mounting' | 'running'
      readonly dockerImageDigest: string | undefined
    }
  | {
      readonly kind: 'ended'
      readonly exitCode: number
      readonly outOfMemory: boolean
      readonly endedBy: 'itself' | 'stop' | 'timeout' | 'disk_limit' | 'fence'
      readonly logBytes: number
      readonly reason: string
    }
  | {
      readonly kind: 'saved'
      readonly manifestSha256: string | undefined
      readonly files: number
      readonly totalBytes: number
    }
  | { readonly kind: 'finished' }
  | {
      readonly kind: 'failed'
      readonly step: string
      readonly reason: string
      readonly killed: boolean
      readonly lost: boolean
      readonly logBytes: number
    }
