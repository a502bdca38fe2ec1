import { RpcError } from '../../common/errors.js'
import type { AgentHello } from '../../proto/model/link.js'
import { isFinal } from '../../proto/model/run-state.js'
import { encode } from '../core/record-codec.js'
import type { NodeRecord, User } from '../core/records.js'
import { loseAttempt, release } from '../core/run-changes.js'
import { forgetNode, isRemoved } from './membership.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'

// How a node leaves the cluster. A removed one is remembered, and its certificate refused. One that is given up as
// lost may still run what it had, somewhere where nobody hears it: its runs end in the books at once, but the devices that
// they hold stay held, and its record stays, until
// - it comes back, has what it still runs stopped and saved, and lets go of everything;
// - or its machine, under whatever name, was booted since: then nothing of it runs any more;
// - or, for one device, another machine shows it: then it was moved there.

export interface RemovedRuns {
  readonly id: string
  readonly name: string
  readonly interruptedRunIds: readonly number[]
  /** They go back to the queue for their next attempt. */
  readonly repeatedRunIds: readonly number[]
}

export async function removeNode(
  term: Term,
  user: User,
  record: NodeRecord,
  { lost }: { readonly lost: boolean },
): Promise<RemovedRuns> {
  const { id, name } = record
  check(term, record, lost)
  term.writes.checkRoom()
  const lostRuns = unfinishedOn(term, id)
  const reason = `Its machine ${name} was given up by ${user.name}`
  for (const entry of lostRuns)
    term.memory.runs.set(entry, loseAttempt(entry.record, reason, term.memory.runs.now(entry)))
  const by = { by: user.name, atMs: term.parts.clock.now() }
  if (lost && mayStillRun(term, id)) {
    const givenUp: NodeRecord = { ...record, givenUp: by }
    term.memory.setNode(givenUp)
    term.links.drop(id)
    const committed = term.writes.commit([{ key: term.writes.keys.node(id), value: encode(givenUp) }])
    term.wake()
    await committed
  } else await takeOut(term, id)
  return {
    ...{ id, name },
    interruptedRunIds: idsOf(lostRuns, (entry) => isFinal(entry.record.state)),
    repeatedRunIds: idsOf(lostRuns, (entry) => !isFinal(entry.record.state)),
  }
}

/** Takes out nodes that were given up, have come back and have let go of everything. To be called about every second. */
export function finishRemovals(term: Term): void {
  for (const record of term.memory.nodes.values()) {
    const { id, givenUp } = record
    if (!givenUp || !term.links.isConnected(id) || mayStillRun(term, id)) continue
    takeOut(term, id).catch(() => {})
  }
}

/** A machine says hello: what it says of itself may settle what became of one that was given up. */
export function settleGivenUp(term: Term, hello: AgentHello): void {
  for (const record of term.memory.nodes.values()) {
    if (!record.givenUp || record.id === hello.nodeId) continue
    const sameMachine = record.machineId !== '' && record.machineId === hello.machineId
    if (sameMachine && record.bootId !== hello.bootId) {
      releaseOn(term, record.id, () => true)
      takeOut(term, record.id).catch(() => {})
    } else if (!sameMachine) {
      const shown = new Set(hello.inventory.gpus.map(({ uuid }) => uuid))
      releaseOn(term, record.id, (uuids) => uuids.some((uuid) => shown.has(uuid)))
    }
  }
}

/** Runs whose node was removed wait for no word from it. For the beginning of a term. */
export function expectNothingOfRemoved({ memory }: Term): void {
  for (const entry of memory.runs.entries())
    if (isRemoved(memory, entry.record.nodeId ?? '')) entry.forgotten = true
}

function check(term: Term, { id, name, givenUp }: NodeRecord, lost: boolean): void {
  if (givenUp)
    throw new RpcError(
      'FAILED_PRECONDITION',
      `Node ${name} was given up by ${givenUp.by} already; it is out as soon as it is known that nothing of it runs any more.`,
    )
  if (term.links.lastHeardMs(id) === undefined && term.links.silentMs(id) === 0)
    throw new RpcError(
      'UNAVAILABLE',
      `Whether node ${name} is connected is not known yet: this coordinator has just begun to lead.`,
      { trailers: { 'retry-after-ms': '1000' } },
    )
  if (term.links.isConnected(id) && term.links.silentMs(id) === 0)
    throw new RpcError(
      'FAILED_PRECONDITION',
      lost
        ? `Node ${name} is connected, so it is not lost. Drain it ("spell node drain ${name}"), and end its agent.`
        : `Node ${name} is connected. Drain it ("spell node drain ${name}"), end its agent, and remove it then.`,
    )
  const runs = runsOn(term, id).map(({ record }) => record.id)
  if (lost || runs.length === 0) return
  throw new RpcError(
    'FAILED_PRECONDITION',
    `Node ${name} is away and has runs: ${runs.slice(0, 10).join(', ')}. Wait until it is back; if it will not be, give them up: "spell node remove ${name} --lost".`,
  )
}

/** The node is out from now on. */
function takeOut(term: Term, id: string): Promise<void> {
  const { memory, writes, archive } = term
  const { puts, deletes } = forgetNode(term, id)
  memory.removeNode(id)
  term.links.drop(id)
  for (const entry of memory.runs.onNode(id)) {
    if (entry.record.nodeId === id) entry.forgotten = true
    archive.consider(entry)
  }
  const committed = writes.commit(puts, [...deletes, writes.keys.node(id)])
  term.wake()
  return committed
}

function releaseOn(term: Term, nodeId: string, which: (gpuUuids: readonly string[]) => boolean): void {
  const { runs } = term.memory
  for (const entry of runs.onNode(nodeId)) {
    for (const { attempt, nodeId: on, gpuUuids } of entry.record.holdings)
      if (on === nodeId && which(gpuUuids)) runs.set(entry, release(entry.record, attempt))
    term.archive.consider(entry)
  }
}

function unfinishedOn({ memory }: Term, nodeId: string): readonly RunEntry[] {
  return memory.runs.onNode(nodeId).filter(({ record }) => record.nodeId === nodeId && !isFinal(record.state))
}

function runsOn({ memory }: Term, nodeId: string): readonly RunEntry[] {
  return memory.runs
    .onNode(nodeId)
    .filter(
      ({ record }) =>
        (record.nodeId === nodeId && !isFinal(record.state)) ||
        record.holdings.some((holding) => holding.nodeId === nodeId),
    )
}

/** Whether something of the node's has not been heard of: held, or not let go of. */
function mayStillRun({ memory }: Term, nodeId: string): boolean {
  return memory.runs
    .onNode(nodeId)
    .some(
      ({ record, forgotten }) =>
        record.holdings.some((holding) => holding.nodeId === nodeId) ||
        (record.nodeId === nodeId && !forgotten),
    )
}

function idsOf(entries: readonly RunEntry[], which: (entry: RunEntry) => boolean): readonly number[] {
  return entries
    .filter(which)
    .map(({ record }) => record.id)
    .sort((a, b) => a - b)
}
