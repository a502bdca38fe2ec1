import { setImmediate as nextTurn } from 'node:timers/promises'
import { noFailpoints } from '../../../common/failpoint.js'
import { silentLog } from '../../../common/log.js'
import type { AgentSession } from '../../../coordinator/agents/agent-session.js'
import type { User } from '../../../coordinator/core/records.js'
import {
  defaultLeaderSettings,
  type LeaderParts,
  type LeaderSettings,
  type RunFilter,
} from '../../../coordinator/leader/types.js'
import { Leader } from '../../../coordinator/leader.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import type { Assignment, AttemptId, Report, ReportEvent } from '../../../proto/model/attempt.js'
import { attemptKey } from '../../../proto/model/attempt.js'
import type {
  AgentHello,
  AttemptLine,
  HeldAttempt,
  Inventory,
  Order,
  ReportAnswer,
  ToAgent,
} from '../../../proto/model/link.js'
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
  readonly lines: AttemptLine[] = []

  /** A new leader over what etcd holds; whoever led before is cut off. */
  lead(settings: Partial<LeaderSettings> = {}, parts: Partial<LeaderParts> = {}): Leader {
    this.term += 1
    this.leads = true
    this.queue = new MemoryCommitQueue(this.queue.stored)
    const leader = new Leader(
      { ...defaultLeaderSettings, term: this.term, generation: 'g1', version: '0.1.0', ...settings },
      {
        clock: this.clock,
        log: silentLog,
        failpoints: noFailpoints,
        queue: this.queue,
        keys,
        requestLeases: { current: () => 'lease-1' },
        loaded: this.queue.entries(),
        isLeading: () => this.leads,
        stepDown: (reason) => this.steppedDown.push(reason),
        etcdSize: () => ({ bytes: this.etcdBytes, quotaBytes: 1_000_000 }),
        coordinatorAddresses: () => ['c1:7001'],
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

/** A node's agent as the leader sees it: keeps its attempts and unanswered reports over any number of links. */
export class Agent {
  readonly nodeId: string
  inventory: Inventory
  bootId = 'boot-1'
  session: AgentSession | undefined
  /** Everything sent to it over the present link. */
  received: ToAgent[] = []
  readonly held = new Map<
    string,
    { assignment: Assignment; lastReport: number; released: boolean; ended: boolean }
  >()
  readonly unanswered: Report[] = []
  highestRunId = 0

  constructor(nodeId: string, offered: Inventory = inventory()) {
    this.nodeId = nodeId
    this.inventory = offered
  }

  /** Opens a link, says hello, and sends what is unanswered. */
  async connect(leader: Leader): Promise<void> {
    this.open(leader)
    this.session?.hello(this.hello())
    await settle()
    if (this.unanswered.length > 0) this.session?.reports([...this.unanswered])
    await settle()
  }

  open(leader: Leader): void {
    this.received = []
    this.session = leader.attach(this.nodeId, (message) => this.#take(message))
  }

  hello(): AgentHello {
    return {
      schemaVersion: 1,
      version: '0.1.0',
      nodeId: this.nodeId,
      name: this.nodeId,
      machineId: 'm',
      bootId: this.bootId,
      inventory: this.inventory,
      attempts: [...this.held.values()].map(
        ({ assignment, lastReport, released, ended }): HeldAttempt => ({
          id: assignment.id,
          lastReport,
          specSha256: '',
          released,
          ended,
        }),
      ),
      highestRunId: this.highestRunId,
      generation: '',
    }
  }

  disconnect(): void {
    this.session?.detach()
    this.session = undefined
  }

  get orders(): readonly Order[] {
    return this.received.flatMap((message) => (message.kind === 'orders' ? message.orders : []))
  }

  get verdicts(): readonly Order[] {
    return this.received.flatMap((message) => (message.kind === 'hello' ? message.verdicts : []))
  }

  get answers(): readonly ReportAnswer[] {
    return this.received.flatMap((message) => (message.kind === 'answers' ? message.answers : []))
  }

  /** Ids of the attempts that it was told to start, in order. */
  get started(): readonly string[] {
    return this.orders.filter(({ wanted }) => wanted === 'start').map(({ id }) => attemptKey(id))
  }

  /** Reports without waiting. */
  tell(id: AttemptId, event: ReportEvent, options: { released?: boolean; durationMs?: number } = {}): void {
    const held = this.held.get(attemptKey(id))
    if (!held) throw new Error(`${this.nodeId} does not hold ${attemptKey(id)}`)
    held.lastReport += 1
    held.released ||= options.released ?? false
    held.ended ||= event.kind === 'finished' || event.kind === 'failed'
    const report: Report = {
      id,
      number: held.lastReport,
      durationMs: options.durationMs ?? 5,
      released: held.released,
      event,
    }
    this.unanswered.push(report)
    this.session?.reports([report])
  }

  async report(id: AttemptId, event: ReportEvent, options: { released?: boolean } = {}): Promise<void> {
    this.tell(id, event, options)
    await settle()
  }

  async reach(id: AttemptId, state: 'building' | 'mounting' | 'running'): Promise<void> {
    await this.report(id, { kind: 'reached', state, dockerImageDigest: undefined })
  }

  /** From where it is to its end. */
  async finish(id: AttemptId, exitCode = 0): Promise<void> {
    this.tell(id, ended({ exitCode }), { released: true })
    this.tell(id, saved())
    this.tell(id, { kind: 'finished' })
    await settle()
  }

  /** Lets go of every attempt that has ended and is answered. */
  async forget(): Promise<void> {
    const gone = [...this.held.values()]
      .filter(({ ended }) => ended)
      .map(({ assignment }) => assignment.id)
      .filter((id) => !this.unanswered.some((report) => attemptKey(report.id) === attemptKey(id)))
    for (const id of gone) this.held.delete(attemptKey(id))
    this.session?.forgotten(gone)
    await settle()
  }

  #take(message: ToAgent): void {
    this.received.push(message)
    if (message.kind === 'orders') {
      for (const { assignment } of message.orders) {
        if (!assignment) continue
        this.highestRunId = Math.max(this.highestRunId, assignment.id.runId)
        const key = attemptKey(assignment.id)
        if (!this.held.has(key))
          this.held.set(key, { assignment, lastReport: 0, released: false, ended: false })
      }
    }
    if (message.kind === 'answers') {
      for (const { id, number } of message.answers) {
        const index = this.unanswered.findIndex(
          (report) => attemptKey(report.id) === attemptKey(id) && report.number === number,
        )
        if (index >= 0) this.unanswered.splice(index, 1)
      }
    }
  }
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
