import type { Inventory, InventoryGpu } from '../../proto/model/link.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { RunState } from '../../proto/model/run-state.js'
import type { GpuSince } from './gpu-owners.js'
import type { Share } from './node-parts.js'

// What the coordinator knows, as values. Records are what etcd keeps (core/record-codec.ts says how); views are what
// callers are shown. Records are never changed in place: a change makes a new one.

/** One state that a run was in. */
export interface StateTime {
  readonly state: RunState
  /** Leader's wall clock, milliseconds since 1970. */
  readonly enteredAtMs: number
  /** Measured on a monotonic clock by the program that waited; 0 while it lasts or where nobody could measure. */
  readonly durationMs: number
}

/** What one attempt takes of its node until the node's agent says that nothing holds it any more. */
export interface Holding {
  readonly attempt: number
  readonly nodeId: string
  readonly gpuUuids: readonly string[]
  readonly cpus: number
  readonly memoryBytes: number
}

/** `run/<id>/spec`: written once at submission. */
export interface RunOrigin {
  readonly id: number
  readonly creator: string
  readonly createdAtMs: number
  readonly requestId: string
  /** Values of environment variables are sealed, except in records of earlier versions. */
  readonly spec: RunSpec
  readonly envSealed?: true
}

export type EndedBy = 'itself' | 'stop' | 'timeout' | 'disk_limit' | 'fence'

/** `run/<id>/status`: everything about a run that changes. */
export interface RunRecord {
  readonly id: number
  readonly state: RunState
  /** In the order they were entered; the last is the present one. */
  readonly states: readonly StateTime[]
  /** Of the newest attempt; 0 before the first is assigned. */
  readonly attempt: number
  /** Where the newest attempt was assigned; undefined while no node has the run. */
  readonly nodeId: string | undefined
  /** What attempts still hold: the newest one's, and those of earlier ones on nodes that have not been heard since. */
  readonly holdings: readonly Holding[]
  /** The type's name as the cluster writes it. */
  readonly machineType: string
  /** Devices of the newest attempt, also after it let go of them. */
  readonly gpuUuids: readonly string[]
  readonly replaceable: boolean
  /** Of a replaceable attempt: how long its node may be silent before the run is repeated, as its node was told. */
  readonly lostAfterMs: number
  /** What its owner asked of it since it was assigned. */
  readonly intent: 'none' | 'stop' | 'kill'
  /** Highest number of the newest attempt's reports that has been applied. */
  readonly appliedReport: number
  readonly exitCode: number | undefined
  readonly outOfMemory: boolean
  readonly endedBy: EndedBy | undefined
  /** Why it failed, was stopped or interrupted; why it waits is not kept but computed. */
  readonly reason: string
  readonly failedStep: string | undefined
  readonly logBytes: number
  readonly manifestSha256: string | undefined
  readonly savedFiles: number
  readonly savedBytes: number
  readonly dockerImageDigest: string | undefined
  readonly notes: readonly string[]
  readonly labels: readonly string[]
  readonly project: string | undefined
  /** Hidden from lists by its owner. */
  readonly archived: boolean
}

/** `edit/<id>`: what was changed about a run after it had left etcd for the archive. */
export interface RunEdit {
  readonly id: number
  readonly labels: readonly string[]
  readonly project: string | undefined
  readonly archived: boolean
  /** The project that the run's archived row names. */
  readonly projectInSegment: string | undefined
}

/** `request/<user>/<id>`, under a lease that outlives it by 24 hours. */
export interface RequestRecord {
  readonly user: string
  readonly requestId: string
  readonly runId: number
  readonly hash: string
  readonly atMs: number
}

export type Role = 'admin' | 'member' | 'viewer'

/** `user/<name>` */
export interface User {
  readonly name: string
  readonly email: string
  readonly role: Role
  /** Runs of this user that may be queued for a machine or on one; 0: no limit. */
  readonly maxConcurrentRuns: number
  /** Missing in records of earlier versions. */
  readonly createdAtMs?: number
}

/** `bootstrap`: the cluster's own, named in its coordinators' settings. */
export type TokenKind = 'login' | 'access' | 'bootstrap'

/** `token/<sha256 in hex>` */
export interface TokenRecord {
  readonly sha256: string
  readonly user: string
  readonly createdAtMs: number
  /** Unique among the user's; this and the kind are missing in records of earlier versions. */
  readonly name?: string
  readonly kind?: TokenKind
}

/** `login-code/<user>`: the newest code that the user was invited with, kept after its use until it expires. */
export interface LoginCode {
  readonly user: string
  /** Of the code as it is typed least: lower case, no dashes. */
  readonly sha256: string
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly usedAtMs?: number
}

/** `project/<name>` */
export interface Project {
  readonly name: string
  readonly description: string
  readonly creator: string
  readonly createdAtMs: number
  readonly archived: boolean
  /** The project whose runs are on their way to this one, which is its new name. */
  readonly renamedFrom?: string
}

export interface ProjectView extends Project {
  readonly runCount: number
}

/** `node/<id>` */
export interface NodeRecord {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly machineId: string
  readonly bootId: string
  readonly inventory: Inventory
  /** Present: the node gets no new runs. */
  readonly cordon?: Cordon
  /** Given by an administrator, in order; machine types may ask for them. */
  readonly labels?: readonly string[]
  /** When it first showed each of its GPUs: one that several nodes show belongs to the first. */
  readonly gpuSince?: GpuSince
  /** Removed as lost. The record stays until what it may still run has been heard of. */
  readonly givenUp?: GivenUp
}

export interface GivenUp {
  readonly by: string
  readonly atMs: number
}

/** Why a node gets no new runs. */
export interface Cordon {
  readonly kind: 'person' | 'drain' | 'cluster'
  /** For whoever asks why; may be empty. */
  readonly reason: string
  /** A user's name; empty: the cluster itself. */
  readonly by: string
  readonly atMs: number
}

/** `setting/<name>` */
export interface Setting {
  readonly name: string
  readonly value: string
}

/** `segment/<n>`: a file of the object store that holds runs which have left etcd. */
export interface SegmentRecord {
  readonly number: number
  /** Name in the object store. */
  readonly object: string
  readonly sha256: string
  readonly bytes: number
  readonly count: number
  /** The ids in it, ascending: first and last of each unbroken stretch, one pair after another. */
  readonly ranges: readonly number[]
  /** How many of its runs were in each project. */
  readonly projects: Readonly<Record<string, number>>
}

/** A run as anyone who may look sees it; `Run` of run.proto in domain form. */
export interface RunView {
  readonly id: number
  readonly creator: string
  readonly state: RunState
  readonly spec: RunSpec
  readonly createdAtMs: number
  readonly states: readonly StateTime[]
  readonly attempt: number
  readonly nodeId: string | undefined
  readonly nodeName: string | undefined
  readonly exitCode: number | undefined
  readonly outOfMemory: boolean
  /** Why it waits, failed, was stopped or interrupted, for a person; empty: nothing to say. */
  readonly reason: string
  readonly failedStep: string | undefined
  readonly logBytes: number
  readonly manifestSha256: string | undefined
  /** 1 is next; 0 when not queued. */
  readonly queuePosition: number
  readonly labels: readonly string[]
  readonly project: string | undefined
  readonly archived: boolean
  readonly gpuUuids: readonly string[]
  readonly machineType: string
  readonly dockerImageDigest: string | undefined
  readonly notes: readonly string[]
  /** For how long its node has not been heard; 0 while it is. */
  readonly nodeUnreachableMs: number
  readonly savedFiles: number
  readonly savedBytes: number
}

export interface NodeView {
  readonly id: string
  readonly name: string
  readonly version: string
  readonly connected: boolean
  /** How long ago it was last heard by this leader; undefined: never. */
  readonly lastHeardMs: number | undefined
  readonly inventory: Inventory
  readonly gpus: readonly (InventoryGpu & { readonly heldByRunId: number | undefined })[]
  /** Runs that hold something of it or have yet to end there, ascending. */
  readonly runIds: readonly number[]
  readonly warnings: readonly string[]
  readonly cordon: Cordon | undefined
  readonly labels: readonly string[]
  readonly givenUp: boolean
}

/** What an administrator sees of one node beside its row. */
export interface NodeDetails {
  readonly node: NodeView
  readonly machineId: string
  readonly bootId: string
  readonly free: Share
  /** What runs without GPUs may take of it altogether. */
  readonly forCpuRuns: Share
  readonly runs: readonly NodeRun[]
  /** The type that its join token was for; empty: none. */
  readonly joinedAs: string
  /** Names of the types that it could ever give. */
  readonly machineTypes: readonly string[]
}

export interface NodeRun {
  readonly runId: number
  readonly attempt: number
  readonly state: RunState
  readonly creator: string
  readonly machineType: string
  /** false: the run counts elsewhere by now. */
  readonly current: boolean
  /** It holds devices, cores or memory. */
  readonly holds: boolean
}

export interface MachineTypeView {
  readonly name: string
  readonly gpuCount: number
  /** Empty for types without GPUs. */
  readonly gpuModel: string
  readonly cpus: number
  readonly memoryBytes: number
  /** Nodes that could ever hold one. */
  readonly nodeCount: number
  /** How many could start now. */
  readonly freeCount: number
  /** By an administrator. */
  readonly made: boolean
  /** Of runs at once; 0: none. */
  readonly limit: number
  /** Runs that have one now; of made types only. */
  readonly inUse: number
  readonly labels: readonly string[]
  readonly spot: boolean
  readonly defaultAutoResume: boolean
  readonly storageBytes: number
}

export interface StatusView {
  readonly totalRuns: number
  /** The asking user's runs in user_requested. */
  readonly queuedForConcurrency: number
  readonly concurrencyLimit: number
  readonly queuedForMachine: number
  /** All users' runs that a node has. */
  readonly activeRuns: number
  readonly etcdBytes: number
  readonly etcdQuotaBytes: number
}
