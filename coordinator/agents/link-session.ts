import { RpcError } from '../../common/errors.js'
import { type Assignment, type AttemptId, attemptKey, type Report } from '../../proto/model/attempt.js'
import type {
  AgentHello,
  AttemptLine,
  HeldAttempt,
  Inventory,
  ReportAnswer,
  ToAgent,
} from '../../proto/model/link.js'
import { isFinal } from '../../proto/model/run-state.js'
import { areNeighbours, linkVersion, neighboursOf } from '../../proto/model/versions.js'
import { gpuSince } from '../core/gpu-owners.js'
import { encode } from '../core/record-codec.js'
import type { NodeRecord } from '../core/records.js'
import { isRemoved } from '../leader/membership.js'
import { leaderWarnings } from '../leader/node-views.js'
import { seenOnMachine } from '../leader/one-machine.js'
import { settleGivenUp } from '../leader/remove-node.js'
import type { Term } from '../leader/term.js'
import type { Put } from '../leader/types.js'
import { adopt } from './adopt.js'
import type { AgentSession } from './agent-session.js'
import { boundedHello, boundedInventory, boundedLine } from './bounded.js'
import { compareHello, holdsUnknown, verdictFor } from './hello.js'
import type { NodeLink } from './node-links.js'
import { isCurrent, takeReport } from './take-reports.js'
import { UnknownAttempts } from './unknown-attempts.js'

/** Of a node's record: half of what a transaction takes. */
const maxNodeBytes = 512 * 1024

/** Reports kept for an attempt that has been asked to describe itself. */
const maxHeldBack = 1_000

export class LinkSession implements AgentSession, NodeLink {
  readonly nodeId: string
  readonly #term: Term
  readonly #send: (message: ToAgent) => void
  #ready = false
  #closed = false
  /** Attempts of which no report has come since the hello. */
  readonly fresh = new Set<string>()
  readonly #unknown: UnknownAttempts

  constructor(term: Term, nodeId: string, send: (message: ToAgent) => void) {
    this.#term = term
    this.nodeId = nodeId
    this.#send = send
    this.#unknown = new UnknownAttempts(term.memory.runs.placement)
  }

  get ready(): boolean {
    return this.#ready
  }

  awaits(id: AttemptId): boolean {
    return this.#unknown.asked(id) !== undefined
  }

  send(message: ToAgent): void {
    if (!this.#closed && this.#term.links.isOpen(this)) this.#send(message)
  }

  hello(words: AgentHello): void {
    this.#checkHello(words)
    const hello = boundedHello(words)
    const { memory, links, writes, restoreGuard, parts } = this.#term
    const before = memory.nodes.get(hello.nodeId)
    const known = before && seenOnMachine(this.#term, hello, before)
    const puts = this.#nodePuts(recordOf(hello, known))
    links.open(this)
    links.heard(this.nodeId)
    restoreGuard.note(hello.highestRunId, `node ${hello.name}`)
    settleGivenUp(this.#term, hello)
    const { verdicts, starts } = compareHello(this.#term, hello, before?.bootId === hello.bootId)
    for (const [index, held] of hello.attempts.entries()) {
      this.fresh.add(attemptKey(held.id))
      if (verdicts[index]?.wanted === 'describe') this.#unknown.ask(held)
      else if (holdsUnknown(this.#term, held, this.nodeId)) this.#unknown.distrust(held.id)
    }
    this.#setPresent()
    parts.failpoints.reach('hello.before-commit')
    writes.commit(puts).then(
      () => {
        parts.failpoints.reach('hello.after-commit')
        this.#ready = true
        this.send(this.#answer(verdicts))
        if (starts.length > 0) this.send({ kind: 'orders', orders: starts })
      },
      () => {},
    )
    this.#term.wake()
  }

  heartbeat(sequence: number): void {
    this.#checkOpen()
    const { links } = this.#term
    const wasSilent = links.silentMs(this.nodeId) > 0
    links.heard(this.nodeId)
    if (wasSilent) {
      this.#setPresent()
      this.#term.wake()
    }
    this.send({ kind: 'heartbeat', sequence })
  }

  reports(reports: readonly Report[]): void {
    this.#checkOpen()
    const answers = reports.flatMap((report) => this.#takeReport(report))
    this.#commitAndAnswer(answers)
  }

  described(assignment: Assignment): void {
    this.#checkOpen()
    const asked = this.#unknown.asked(assignment.id)
    if (!asked) return
    const { held, reports } = asked
    const puts = adopt(this.#term, assignment, { nodeId: this.nodeId, released: held.released })
    this.#unknown.answered(held.id)
    if (!puts) this.#endStranger(held)
    this.#setPresent()
    const answers = reports.flatMap((report) => this.#takeReport(report))
    this.#commitAndAnswer(answers, puts)
  }

  /** While it was asked its run has ended, or was given to another node. */
  #endStranger(held: HeldAttempt): void {
    const order = verdictFor(this.#term, held, this.nodeId)
    if (holdsUnknown(this.#term, held, this.nodeId)) this.#unknown.distrust(held.id)
    this.#term.writes.seen().then(
      () => this.send({ kind: 'orders', orders: [order] }),
      () => {},
    )
  }

  inventory(inventory: Inventory): void {
    this.#checkOpen()
    const record = this.#term.memory.nodes.get(this.nodeId)
    if (!record) return
    this.#term.writes.post(this.#nodePuts({ ...record, inventory: boundedInventory(inventory) }))
    this.#term.wake()
  }

  lines(lines: readonly AttemptLine[]): void {
    this.#checkOpen()
    const { memory, parts, watchers } = this.#term
    const current = lines
      .filter(({ id }) => {
        const entry = memory.runs.get(id.runId)
        return entry && isCurrent(entry, id, this.nodeId)
      })
      .map(boundedLine)
    if (current.length > 0) parts.takeLines(current)
    for (const line of current) watchers.tell(line.id.runId, { kind: 'line', line })
  }

  forgotten(attempts: readonly AttemptId[]): void {
    this.#checkOpen()
    for (const id of attempts) {
      if (this.awaits(id)) {
        this.#unknown.answered(id)
        this.#setPresent()
        this.#term.wake()
      }
      this.#released(id)
      const entry = this.#term.memory.runs.get(id.runId)
      if (!entry || !isCurrent(entry, id, this.nodeId) || !isFinal(entry.record.state)) continue
      entry.forgotten = true
      this.#term.archive.consider(entry)
    }
  }

  detach(): void {
    this.#closed = true
    this.#unknown.close()
    this.#term.wake()
    if (!this.#term.links.close(this)) return
    this.#term.memory.runs.placement.pool.setAbsent(this.nodeId, 'is not connected')
  }

  /** Runs are placed on the node from when all that it holds is known: an attempt yet to be described may have any device. */
  #setPresent(): void {
    const { placement } = this.#term.memory.runs
    placement.pool.setAbsent(this.nodeId, this.#unknown.trouble)
    placement.gained(this.nodeId)
  }

  #released(id: AttemptId): void {
    if (!this.#unknown.released(id)) return
    this.#setPresent()
    this.#term.wake()
  }

  #takeReport(report: Report): readonly ReportAnswer[] {
    const heldBack = this.#unknown.asked(report.id)?.reports
    if (!heldBack) {
      if (report.released) this.#released(report.id)
      return [takeReport(this.#term, this, report)]
    }
    if (heldBack.length >= maxHeldBack)
      throw new RpcError('RESOURCE_EXHAUSTED', 'Too many reports of an attempt that has not been described.')
    heldBack.push(report)
    return []
  }

  #commitAndAnswer(answers: readonly ReportAnswer[], puts: readonly Put[] = []): void {
    const { parts, writes } = this.#term
    parts.failpoints.reach('report.before-commit')
    const committed = writes.commit(puts)
    this.#term.wake()
    if (answers.length === 0) return
    committed.then(
      () => {
        parts.failpoints.reach('report.after-commit')
        if (!parts.isLeading()) return
        this.send({ kind: 'answers', answers })
        parts.failpoints.reach('report.after-answer')
      },
      () => {},
    )
  }

  #nodePuts(changed: NodeRecord): readonly Put[] {
    const { memory, writes, parts } = this.#term
    const before = memory.nodes.get(changed.id)
    const since = gpuSince(changed.inventory.gpus, before?.gpuSince, parts.clock.now())
    const record = { ...changed, gpuSince: since }
    const value = encode(record)
    if (before && encode(before) === value) return []
    if (Buffer.byteLength(value) > maxNodeBytes)
      throw new RpcError('RESOURCE_EXHAUSTED', 'What the node says of itself is too large to be kept.')
    memory.setNode(record)
    return [{ key: writes.keys.node(record.id), value }]
  }

  #answer(verdicts: Extract<ToAgent, { kind: 'hello' }>['verdicts']): ToAgent {
    const { settings, parts, memory } = this.#term
    return {
      kind: 'hello',
      schemaVersion: linkVersion + settings.versionsAhead,
      version: settings.version,
      term: settings.term,
      generation: settings.generation,
      verdicts,
      coordinatorAddresses: parts.coordinatorAddresses(),
      userAddresses: parts.userAddresses(),
      settings: Object.fromEntries(memory.settings),
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      warnings: leaderWarnings(this.#term, this.nodeId),
    }
  }

  #checkHello(hello: AgentHello): void {
    const { parts, settings } = this.#term
    if (!parts.isLeading()) throw notLeading()
    if (this.#closed) throw new RpcError('CANCELLED', 'The link has ended.')
    if (hello.nodeId !== this.nodeId) {
      throw new RpcError(
        'PERMISSION_DENIED',
        `The certificate is ${this.nodeId}'s, the hello ${hello.nodeId}'s.`,
      )
    }
    if (isRemoved(this.#term.memory, this.nodeId)) throw removed(hello)
    const spoken = linkVersion + settings.versionsAhead
    if (hello.schemaVersion < 1 || !areNeighbours(hello.schemaVersion, spoken)) {
      throw new RpcError(
        'FAILED_PRECONDITION',
        `The agent speaks version ${hello.schemaVersion} of the link; this coordinator (${settings.version}) speaks ${spoken} and takes ${neighboursOf(spoken)}.`,
      )
    }
    if (hello.inventory.runtime === 'process' && !settings.allowProcessNodes) {
      throw new RpcError(
        'FAILED_PRECONDITION',
        'This pool takes no nodes without containers (process runtime).',
      )
    }
  }

  /** Before the hello, after a newer link took over, or without leadership nothing is taken in. */
  #checkOpen(): void {
    if (!this.#term.parts.isLeading()) throw notLeading()
    if (this.#closed || !this.#term.links.isOpen(this))
      throw new RpcError('FAILED_PRECONDITION', 'This link is not the one of its node.')
  }
}

function removed({ name, nodeId }: AgentHello): RpcError {
  return new RpcError(
    'PERMISSION_DENIED',
    `Node ${name} (${nodeId}) was removed from the cluster; its machine may join anew.`,
  )
}

function notLeading(): RpcError {
  return new RpcError('UNAVAILABLE', 'This coordinator does not lead any more.')
}

/** What administrators have said of the node stays. */
function recordOf(hello: AgentHello, before: NodeRecord | undefined): NodeRecord {
  const { nodeId, name, version, machineId, bootId, inventory } = hello
  return { ...before, id: nodeId, name, version, machineId, bootId, inventory }
}
