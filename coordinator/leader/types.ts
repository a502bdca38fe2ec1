import type { Clock } from '../../common/clock.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { AttemptLine } from '../../proto/model/link.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import type { RunView, User } from '../core/records.js'
import type { Keys } from '../store/keys.js'
import type { Trust } from './authority.js'
import type { LoadedState } from './loaded-state.js'

/** Keys are whole, prefix included, as store/keys.ts makes them. */
export interface KeyValue {
  readonly key: string
  readonly value: string
}

export interface Put extends KeyValue {
  readonly leaseId?: string
}

/** One change: committed whole or not at all. */
export interface Unit {
  readonly puts: readonly Put[]
  readonly deletes: readonly string[]
}

/** Where the leader's writes go, in order, one transaction at a time. */
export interface CommitQueue {
  /** Resolves when the unit is committed; rejects when leadership is lost. */
  add(unit: Unit): Promise<void>
  /** Resolves when everything added so far is committed. */
  flushed(): Promise<void>
  /** False when new work should be refused. */
  hasRoom(): boolean
}

/** Leases that request ids are kept under: one an hour, each living 24 hours beyond it. */
export interface RequestLeases {
  /** Of the present hour. */
  current(): string
}

export interface LeaderSettings {
  readonly term: number
  readonly generation: string
  readonly version: string
  /** A node not heard for this long gets no new runs. */
  readonly suspectAfterMs: number
  /** A replaceable attempt's run is repeated this long after its node was last heard. */
  readonly lostAfterMs: number
  /** Where set: any attempt is given up this long after its node was last heard. */
  readonly abandonAfterMs: number | undefined
  readonly heartbeatIntervalMs: number
  readonly graceMs: number
  readonly diskLimitBytes: number
  readonly logLimitBytes: number
  readonly maxRequestIds: number
  /** Share of etcd's quota over which submissions are refused. */
  readonly maxEtcdShare: number
  /** Records are written in a newer version so long after every coordinator on the list reads it. */
  readonly raiseSchemaAfterMs: number
  /** For tests: as of so many versions later than it is this program reads and writes. */
  readonly versionsAhead: number
  /** Whether nodes without containers (process runtime) may take runs. */
  readonly allowProcessNodes: boolean
  /** For how long certificates are valid that the leader signs. */
  readonly certificateMs: number
  readonly archive: ArchiveSettings
  /** Hash of the token that the cluster's own tools use: no logout ends it. */
  readonly ownTokenSha256: string | undefined
}

export interface ArchiveSettings {
  /** Runs that fill a segment. */
  readonly segmentRuns: number
  /** A segment is closed before it becomes larger, unless it is one run. */
  readonly segmentBytes: number
  /** A segment is closed unfilled when its oldest run has waited this long. */
  readonly segmentAfterMs: number
  /** Archived runs that stay in memory, newest first. */
  readonly recentRuns: number
  /** Memory for segments read back. */
  readonly cacheBytes: number
}

export const defaultLeaderSettings = {
  suspectAfterMs: 10_000,
  lostAfterMs: 300_000,
  abandonAfterMs: undefined,
  heartbeatIntervalMs: 2_000,
  graceMs: 60_000,
  diskLimitBytes: 0,
  logLimitBytes: 1024 ** 3,
  maxRequestIds: 1_000_000,
  maxEtcdShare: 0.8,
  raiseSchemaAfterMs: 60_000,
  versionsAhead: 0,
  allowProcessNodes: true,
  certificateMs: 30 * 86_400_000,
  archive: {
    segmentRuns: 1_000,
    segmentBytes: 16 * 1024 ** 2,
    segmentAfterMs: 60_000,
    recentRuns: 5_000,
    cacheBytes: 64 * 1024 ** 2,
  },
  ownTokenSha256: undefined,
} as const satisfies Omit<LeaderSettings, 'term' | 'generation' | 'version'>

/** What the leader was given; it stops none of it. */
export interface LeaderParts {
  readonly clock: Clock
  readonly log: Log
  readonly failpoints: Failpoints
  readonly queue: CommitQueue
  readonly keys: Keys
  readonly requestLeases: RequestLeases
  /** Has taken every key under the prefix, read at one revision after the election was won. */
  readonly loaded: LoadedState
  /** Whether this coordinator leads right now, by its own monotonic clock: looked at before each answer to an agent. */
  isLeading(): boolean
  /** Ends this coordinator's leadership: what this leader has in memory and what etcd holds can no longer agree. */
  stepDown(reason: string): void
  etcdSize(): { readonly bytes: number; readonly quotaBytes: number }
  /** The highest version of records that each coordinator on the list reads; undefined: the list was not read yet. */
  recordVersions(): readonly number[] | undefined
  /** Agents' addresses of all coordinators, `host:port`. */
  coordinatorAddresses(): readonly string[]
  /** Users' addresses of all coordinators, `host:port`. */
  userAddresses(): readonly string[]
  readonly trust: Trust
  /** Where segments of the archive are kept; may be away for a while. */
  readonly objects: Pick<ObjectStore, 'put' | 'read' | 'list'>
  /** Lines that Spell itself says about a run; the receiver keeps them beside the log. */
  takeLines(lines: readonly AttemptLine[]): void
}

/** What a request to submit is known by. */
export interface RequestName {
  readonly user: User
  readonly requestId: string
  /** Of the whole request, so that another one under the same id is noticed. */
  readonly requestHash: string
  /** As an earlier version made it: a client may ask again while coordinators are being upgraded. */
  readonly earlierHash?: string | undefined
}

export interface Submission extends RequestName {
  readonly spec: RunSpec
}

export interface Submitted {
  readonly runId: number
  /** This request id had been answered before. */
  readonly repeated: boolean
  readonly warnings: readonly string[]
}

export interface RunFilter {
  /** 1 to 1,000. */
  readonly pageSize: number
  /** Of the page before; empty: the newest runs. */
  readonly pageToken: string
  /** Any of these; none: no condition. */
  readonly labels: readonly string[]
  readonly project: string | undefined
  /** Only runs in no project. */
  readonly uncategorized: boolean
  readonly repository: string | undefined
  readonly includeWorkspaces: boolean
  readonly includeArchived: boolean
  readonly creator: string | undefined
  readonly activeOnly: boolean
}

/** Newest first. May hold fewer runs than asked for, even none, and still be followed by another page. */
export interface RunPage {
  readonly runs: readonly RunView[]
  /** Empty: no more. */
  readonly nextPageToken: string
}

export type SteerAction = 'stop' | 'kill' | 'archive'

/** What became of each id of a request about several runs. */
export interface Steered {
  readonly done: readonly number[]
  readonly alreadyFinished: readonly number[]
  readonly unknown: readonly number[]
  readonly notPermitted: readonly number[]
}

export interface ProjectEdit {
  readonly newName: string | undefined
  readonly newDescription: string | undefined
}

/** What a watcher of a run hears, always after it was committed. */
export type RunEvent =
  | { readonly kind: 'run'; readonly run: RunView }
  | { readonly kind: 'line'; readonly line: AttemptLine }

export type RunWatcher = (event: RunEvent) => void
