import type { AgentSession } from '../../../coordinator/agents/agent-session.js'
import type { Leader } from '../../../coordinator/leader.js'
import type { Assignment, AttemptId, Report, ReportEvent } from '../../../proto/model/attempt.js'
import { attemptKey } from '../../../proto/model/attempt.js'
import type {
  AgentHello,
  HeldAttempt,
  Inventory,
  Order,
  ReportAnswer,
  ToAgent,
} from '../../../proto/model/link.js'
import { ended, inventory, saved, settle, submit, World } from './harness.js'

/** A node's agent as the leader sees it: keeps its attempts and unanswered reports over any number of links. */
export class Agent {
  readonly nodeId: string
  inventory: Inventory
  bootId = 'boot-1'
  machineId = 'm'
  session: AgentSession | undefined
  /** Everything sent to it over the present link. */
  received: ToAgent[] = []
  readonly held = new Map<
    string,
    { assignment: Assignment; lastReport: number; released: boolean; ended: boolean }
  >()
  readonly unanswered: Report[] = []
  highestRunId = 0
  /** Called with each order to start, repeated ones too, before it is taken in. */
  onStart: (assignment: Assignment) => void = () => {}

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
      machineId: this.machineId,
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
        this.onStart(assignment)
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

/** A leader with one node and, unless told otherwise, one run on it. */
export async function oneNode(options: { runs?: number; offered?: Parameters<typeof inventory>[0] } = {}) {
  const world = new World()
  const leader = world.lead()
  const agent = new Agent('n1', inventory(options.offered))
  await agent.connect(leader)
  for (let run = 0; run < (options.runs ?? 1); run += 1) await submit(leader)
  await settle()
  return { world, leader, agent }
}
