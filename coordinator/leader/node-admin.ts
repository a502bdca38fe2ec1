import { RpcError } from '../../common/errors.js'
import { prepareOrders } from '../agents/orders.js'
import { encode } from '../core/record-codec.js'
import type { Cordon, NodeDetails, NodeRecord, User } from '../core/records.js'
import { ask } from '../core/run-changes.js'
import { nodeDetails } from './node-views.js'
import { type RemovedRuns, removeNode } from './remove-node.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'

/** What administrators do with nodes. Answers come after what they tell is committed. */
export class NodeAdmin {
  readonly #term: Term

  constructor(term: Term) {
    this.#term = term
  }

  /** By name or id. NOT_FOUND names the nodes that there are. */
  async get(name: string): Promise<NodeDetails> {
    const details = nodeDetails(this.#term, nodeNamed(this.#term, name))
    await this.#term.writes.seen()
    return details
  }

  async cordon(user: User, name: string, reason: string): Promise<NodeDetails> {
    const record = nodeNamed(this.#term, name)
    return await putNode(this.#term, {
      ...record,
      cordon: cordonBy(this.#term, user, { kind: 'person', reason }),
    })
  }

  async uncordon(name: string): Promise<NodeDetails> {
    const { cordon: _, ...record } = nodeNamed(this.#term, name)
    return await putNode(this.#term, record)
  }

  /** Answers at once. With `stop` the runs that are there are stopped; one that does not run yet is killed. */
  async drain(
    user: User,
    name: string,
    wish: { readonly reason: string; readonly stop: boolean },
  ): Promise<NodeDetails> {
    const record = nodeNamed(this.#term, name)
    this.#term.writes.checkRoom()
    const reason = wish.reason || (record.cordon?.reason ?? '')
    const why = `Its machine ${record.name} was drained by ${user.name}`
    const stopped = wish.stop ? stopRunsOn(this.#term, record.id, { by: user.name, reason: why }) : []
    const sendOrders = prepareOrders(this.#term, stopped)
    const cordon = cordonBy(this.#term, user, { kind: 'drain', reason })
    const details = await putNode(this.#term, { ...record, cordon })
    sendOrders()
    return details
  }

  /** FAILED_PRECONDITION: it is connected, or has runs and is not said to be lost. */
  remove(user: User, name: string, wish: { readonly lost: boolean }): Promise<RemovedRuns> {
    return removeNode(this.#term, user, nodeNamed(this.#term, name), wish)
  }

  async setLabel(
    name: string,
    change: { readonly label: string; readonly remove: boolean },
  ): Promise<NodeDetails> {
    const record = nodeNamed(this.#term, name)
    const before = record.labels ?? []
    const others = before.filter((label) => label !== change.label)
    if (change.remove && others.length === before.length)
      throw new RpcError('NOT_FOUND', `Node ${record.name} has no label ${JSON.stringify(change.label)}.`)
    if (!change.remove && others.length >= mostLabels)
      throw new RpcError(
        'RESOURCE_EXHAUSTED',
        `Node ${record.name} has ${mostLabels} labels, which is the most.`,
      )
    const labels = change.remove ? others : [...others, change.label].sort()
    return await putNode(this.#term, { ...record, labels })
  }
}

function stopRunsOn(
  { memory }: Term,
  nodeId: string,
  { by, reason }: { readonly by: string; readonly reason: string },
): readonly RunEntry[] {
  const { runs } = memory
  return runs.onNode(nodeId).filter((entry) => {
    if (entry.record.nodeId !== nodeId || entry.record.intent !== 'none') return false
    const asked = ask(entry.record, { intent: 'stop', by }, runs.now(entry))
    if (!asked || asked === entry.record) return false
    runs.set(entry, { ...asked, reason })
    return true
  })
}

const mostLabels = 64

export function cordonBy(term: Term, user: User, cordon: Pick<Cordon, 'kind' | 'reason'>): Cordon {
  return { ...cordon, by: user.name, atMs: term.parts.clock.now() }
}

/** Names are looked for before ids. */
export function nodeNamed(term: Term, name: string): NodeRecord {
  const { nodes } = term.memory
  const all = [...nodes.values()].filter((node) => node.name === name)
  // A machine that came in place of a lost one may have its name.
  const present = all.filter(({ givenUp }) => !givenUp)
  const named = present.length > 0 ? present : all
  if (named.length > 1)
    throw new RpcError(
      'FAILED_PRECONDITION',
      `Several nodes are called ${JSON.stringify(name)}; use an id: ${named.map(({ id }) => id).join(', ')}.`,
    )
  const found = named[0] ?? nodes.get(name)
  if (found) return found
  const known = [...nodes.values()].map((node) => node.name).slice(0, 10)
  throw new RpcError(
    'NOT_FOUND',
    `There is no node ${JSON.stringify(name)}; ${known.length === 0 ? 'the pool has none' : `there is ${known.join(', ')}`}.`,
  )
}

/** Changes memory, commits, and lets waiting runs have what follows from it. */
export async function putNode(term: Term, record: NodeRecord): Promise<NodeDetails> {
  const { memory, writes } = term
  writes.checkRoom()
  memory.setNode(record)
  const committed = writes.commit([{ key: writes.keys.node(record.id), value: encode(record) }])
  term.wake()
  await committed
  return nodeDetails(term, record)
}
