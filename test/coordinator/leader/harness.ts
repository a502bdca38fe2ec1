import { setImmediate as nextTurn } from 'node:timers/promises'
import { noFailpoints } from '../../../common/failpoint.js'
import { silentLog } from '../../../common/log.js'
import { newClusterKey } from '../../../common/sealing.js'
import type { User } from '../../../coordinator/core/records.js'
import type { Trust } from '../../../coordinator/leader/authority.js'
import { LoadedState } from '../../../coordinator/leader/loaded-state.js'
import {
  defaultLeaderSettings,
  type LeaderParts,
  type LeaderSettings,
  type RunFilter,
} from '../../../coordinator/leader/types.js'
import { Leader } from '../../../coordinator/leader.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import type { AttemptId, ReportEvent } from '../../../proto/model/attempt.js'
import type { AttemptLine, Inventory } from '../../../proto/model/link.js'
import type { RunSpec } from '../../../proto/model/run-spec.js'
import { FakeClock } from '../../fakes/fake-clock.js'
import { MemoryCommitQueue } from '../../fakes/memory-commit-queue.js'
import { MemoryObjects } from '../../fakes/memory-objects.js'

export const keys = makeKeys('spell/')

export const ann: User = { name: 'ann', email: '', role: 'member', maxConcurrentRuns: 0 }
export const bob: User = { name: 'bob', email: '', role: 'member', maxConcurrentRuns: 0 }
export const root: User = { name: 'root', email: '', role: 'admin', maxConcurrentRuns: 0 }

/** What outlives a leader: etcd, the store, time. */
export class World {
  readonly clock = new FakeClock()
  readonly objects = new MemoryObjects()
  queue = new MemoryCommitQueue()
  term = 0
  leads = true
  steppedDown: string[] = []
  etcdBytes = 0
  readonly clusterKey = newClusterKey()
  readonly lines: AttemptLine[] = []

  /** A new leader over what etcd holds; whoever led before is cut off. */
  lead(settings: Partial<LeaderSettings> = {}, parts: Partial<LeaderParts> = {}): Leader {
    this.term += 1
    this.leads = true
    this.queue.fence()
    this.queue = new MemoryCommitQueue(this.queue.stored)
    const loaded = new LoadedState(
      { ...defaultLeaderSettings, ...settings },
      { clock: this.clock, keys, ...parts },
    )
    for (const entry of this.queue.entries()) loaded.take(entry)
    const leader = new Leader(
      { ...defaultLeaderSettings, term: this.term, generation: 'g1', version: '0.1.0', ...settings },
      {
        clock: this.clock,
        log: silentLog,
        failpoints: noFailpoints,
        queue: this.queue,
        keys,
        requestLeases: { current: () => 'lease-1' },
        loaded,
        isLeading: () => this.leads,
        stepDown: (reason) => this.steppedDown.push(reason),
        etcdSize: () => ({ bytes: this.etcdBytes, quotaBytes: 1_000_000 }),
        recordVersions: () => [1],
        coordinatorAddresses: () => ['c1:7001'],
        userAddresses: () => ['c1:7000'],
        trust: { ...noSecrets, clusterKey: this.clusterKey },
        objects: this.objects,
        takeLines: (lines) => this.lines.push(...lines),
        ...parts,
      },
    )
    leader.start()
    return leader
  }
}

/** Lets everything that follows from what was done happen: commits, answers, orders. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await nextTurn()
}

export function spec(changes: Partial<RunSpec> = {}): RunSpec {
  return {
    kind: 'user',
    command: 'echo hi',
    machine: { kind: 'type', name: 'CPU' },
    nodeCount: 1,
    code: { kind: 'none' },
    environment: {
      framework: undefined,
      dockerImage: undefined,
      pipPackages: [],
      pipRequirements: [],
      aptPackages: [],
      condaFile: undefined,
      rebuild: false,
    },
    mounts: [],
    env: [],
    stopConditions: [],
    limits: { timeoutMs: undefined, graceMs: undefined, autoResume: 'default', diskBytes: undefined },
    labels: [],
    project: undefined,
    description: '',
    resumeFrom: undefined,
    tensorboardDir: undefined,
    idempotent: false,
    hyperparameters: {},
    ...changes,
  }
}

export const resumable: Partial<RunSpec> = {
  limits: { timeoutMs: undefined, graceMs: undefined, autoResume: 'on', diskBytes: undefined },
}

export const everything: RunFilter = {
  pageSize: 50,
  pageToken: '',
  labels: [],
  project: undefined,
  uncategorized: false,
  repository: undefined,
  includeWorkspaces: false,
  includeArchived: false,
  creator: undefined,
  activeOnly: false,
}

/** Of a cluster that can sign no certificates. */
export const noSecrets: Trust = {
  authorityPem: '',
  clusterKey: undefined,
  readAuthorityKey: () => undefined,
}

let requests = 0

export async function submit(
  leader: Leader,
  changes: Partial<RunSpec> = {},
  user: User = ann,
): Promise<number> {
  requests += 1
  const { runId } = await leader.submit({
    user,
    requestId: `request-${requests}`,
    requestHash: 'h',
    spec: spec(changes),
  })
  return runId
}

export function inventory(changes: Partial<Inventory> = {}): Inventory {
  return {
    runtime: 'dummy',
    runtimeVersion: '1',
    cpus: 8,
    memoryBytes: 32e9,
    diskFreeBytes: 1e12,
    gpus: [],
    warnings: [],
    ...changes,
  }
}

export function gpus(count: number, model = 'Tesla T4', prefix = 'GPU'): Inventory['gpus'] {
  return Array.from({ length: count }, (_, index) => ({
    uuid: `${prefix}-${index}`,
    model,
    memoryBytes: 16e9,
    unusableReason: '',
    parentUuid: '',
  }))
}

export function attempt(runId: number, number = 1): AttemptId {
  return { runId, attempt: number }
}

export function ended(changes: Partial<Extract<ReportEvent, { kind: 'ended' }>> = {}): ReportEvent {
  return {
    kind: 'ended',
    exitCode: 0,
    outOfMemory: false,
    endedBy: 'itself',
    logBytes: 3,
    reason: '',
    ...changes,
  }
}

export function saved(manifestSha256: string | undefined = 'abc'): ReportEvent {
  return { kind: 'saved', manifestSha256, files: 1, totalBytes: 10 }
}

export function failed(changes: Partial<Extract<ReportEvent, { kind: 'failed' }>> = {}): ReportEvent {
  return {
    kind: 'failed',
    step: 'running',
    reason: 'trouble',
    killed: false,
    lost: false,
    logBytes: 0,
    ...changes,
  }
}
