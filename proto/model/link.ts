import type { Assignment, AttemptId, Report, Wanted } from './attempt.js'

// What travels on the link between a node's agent and the leader, in domain form. Field meanings and units:
// proto/spell/v1/agent.proto.

export interface AgentHello {
  readonly schemaVersion: number
  readonly version: string
  readonly nodeId: string
  readonly name: string
  readonly machineId: string
  readonly bootId: string
  readonly inventory: Inventory
  /** Every attempt that the node has on disk and has not been told to forget. */
  readonly attempts: readonly HeldAttempt[]
  readonly highestRunId: number
  /** The cluster's, as last heard; empty at first. */
  readonly generation: string
}

export interface HeldAttempt {
  readonly id: AttemptId
  readonly lastReport: number
  readonly specSha256: string
  /** Its last process has ended: devices, cores and memory are free. */
  readonly released: boolean
  /** Its last report is final. */
  readonly ended: boolean
}

export interface Inventory {
  readonly runtime: string
  readonly runtimeVersion: string
  readonly cpus: number
  readonly memoryBytes: number
  readonly diskFreeBytes: number
  readonly gpus: readonly InventoryGpu[]
  /** Of the GPUs' driver, such as 535.161.08; empty or left out: there are none, or it is not told. */
  readonly gpuDriverVersion?: string
  readonly warnings: readonly string[]
}

export interface InventoryGpu {
  readonly uuid: string
  /** As the driver names it. */
  readonly model: string
  readonly memoryBytes: number
  /** Empty: usable. */
  readonly unusableReason: string
  /** Of a MIG device; empty for a whole GPU. */
  readonly parentUuid: string
}

/** A line about a run by Spell itself, not by its command. */
export interface AttemptLine {
  readonly id: AttemptId
  readonly text: string
  readonly verbose: boolean
  readonly error: boolean
}

/** What the leader wants of one attempt. A state: repeating it changes nothing. */
export interface Order {
  readonly id: AttemptId
  readonly wanted: Wanted
  /** With `start` only. */
  readonly assignment: Assignment | undefined
  /** Reports up to this number are answered. */
  readonly lastAppliedReport: number
  readonly reason: string
}

export interface ReportAnswer {
  readonly id: AttemptId
  readonly number: number
  /** false: refused, not the current attempt. */
  readonly applied: boolean
}

/** Everything that the leader sends down the link. */
export type ToAgent =
  | {
      readonly kind: 'hello'
      readonly schemaVersion: number
      readonly version: string
      readonly term: number
      readonly generation: string
      /** One for each attempt that the hello named. */
      readonly verdicts: readonly Order[]
      /** The agents' addresses of all coordinators, `host:port`. */
      readonly coordinatorAddresses: readonly string[]
      /** The users' addresses of all coordinators: certificates are renewed there. */
      readonly userAddresses: readonly string[]
      readonly settings: Readonly<Record<string, string>>
      readonly heartbeatIntervalMs: number
      /** What is wrong with this node in the leader's eyes, for its log. */
      readonly warnings: readonly string[]
    }
  | { readonly kind: 'heartbeat'; readonly sequence: number }
  | { readonly kind: 'orders'; readonly orders: readonly Order[] }
  | { readonly kind: 'answers'; readonly answers: readonly ReportAnswer[] }

/** Everything that an agent sends up the link. */
export type FromAgent =
  | ({ readonly kind: 'hello' } & AgentHello)
  | { readonly kind: 'heartbeat'; readonly sequence: number }
  | { readonly kind: 'reports'; readonly reports: readonly Report[] }
  /** The answer to the order `describe`. */
  | { readonly kind: 'described'; readonly assignment: Assignment }
  | { readonly kind: 'inventory'; readonly inventory: Inventory }
  | { readonly kind: 'lines'; readonly lines: readonly AttemptLine[] }
  | { readonly kind: 'forgotten'; readonly ids: readonly AttemptId[] }
