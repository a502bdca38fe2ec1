import type { Demand } from './machine-types.js'
import type { Placement } from './placement.js'
import { type Forbidden, forbids } from './placement-rules.js'
import type { Pool, PoolNode } from './pool.js'

/** Why a queued run waits and what would start it: one sentence, its place not included. */
export function whyItWaits(placement: Placement, runId: number): string {
  const demand = placement.demand(runId)
  if (!demand) return ''
  if (placement.isWithheld(runId)) return 'Waiting to hear from a node that may run it already'
  const { pool } = placement
  const judged = [...pool.nodes.values()].map((node) => ({ node, forbidden: forbids(pool, node, demand) }))
  const could = judged.filter(({ forbidden }) => forbidden?.kind !== 'never')
  if (could.length === 0) return noNodeCould(demand, judged)
  const present = could.filter(({ forbidden }) => !awayKinds.has(forbidden?.kind ?? ''))
  if (present.length === 0) return allAway(demand, could)
  if (placement.position(runId) > 1) return `Waiting for ${named(demand)}, behind older runs`
  const limit = placement.limits.limit(demand.key)
  if (limit !== undefined && placement.limits.isReached(demand.key, runId))
    return `Waiting for ${named(demand)}: no more than ${limit} may be used at once; it starts when ${runsNamed(placement.limits.holders(demand.key))} ends`
  if (present.some(({ forbidden }) => forbidden === undefined)) return `Being given ${named(demand)}`
  const holders = holdersOf(
    pool,
    present.map(({ node }) => node),
    demand,
  )
  const end = holders.length === 0 ? 'when that changes' : `when ${runsNamed(holders)} ends`
  return `Waiting for ${named(demand)}: ${nodesNamed(present)}; it starts ${end}`
}

const awayKinds: ReadonlySet<string> = new Set(['absent', 'cordoned'])

function allAway(demand: Demand, could: readonly Judged[]): string {
  const cordoned = could.filter(({ forbidden }) => forbidden?.kind === 'cordoned').length
  if (cordoned === 0)
    return `Every node that could give ${named(demand)} is away: ${nodesNamed(could)}; it starts when one is back`
  if (cordoned === could.length)
    return `Every node that could give ${named(demand)} gets no new runs: ${nodesNamed(could)}; it starts when one is uncordoned`
  return `Every node that could give ${named(demand)} is away or gets no new runs: ${nodesNamed(could)}; it starts when that changes`
}

interface Judged {
  readonly node: PoolNode
  readonly forbidden: Forbidden | undefined
}

function noNodeCould(demand: Demand, judged: readonly Judged[]): string {
  if (judged.length === 0) return 'The pool has no nodes; it starts when one joins'
  const near = judged.filter(({ forbidden }) => forbidden?.reason !== 'has no such GPU')
  if (near.length === 0) return `No node has ${named(demand)} now; it starts when one that has joins`
  const labels = near.some(({ forbidden }) => forbidden?.reason.startsWith('lacks the label'))
  const end = labels ? 'when one gets it, or one that can joins' : 'when one that can joins'
  return `No node could ever give ${named(demand)}: ${nodesNamed(near)}; it starts ${end}`
}

function named(demand: Demand): string {
  if (demand.gpuCount === 0) return `a ${demand.typeName} machine`
  return `${/^[AEFHILMNORSX](?![a-z])/.test(demand.typeName) ? 'an' : 'a'} ${demand.typeName} machine`
}

const namedAtMost = 3

function nodesNamed(judged: readonly Judged[]): string {
  const named = judged
    .toSorted((one, other) => (one.node.name < other.node.name ? -1 : 1))
    .slice(0, namedAtMost)
    .map(({ node, forbidden }) => `${node.name} ${forbidden?.reason ?? ''}`.trim())
  const rest = judged.length - named.length
  return [...named, ...(rest > 0 ? [`${rest} more`] : [])].join(', ')
}

/** Runs whose end would free something of what is missing, the oldest first. */
function holdersOf(pool: Pool, nodes: readonly PoolNode[], demand: Demand): readonly number[] {
  const runIds = new Set<number>()
  for (const node of nodes) {
    const wanted = new Set<string>()
    for (const devices of pool.sorts(node, demand, 'usable').values())
      for (const { uuid } of devices) wanted.add(uuid)
    for (const holding of node.holdings.values())
      if (competes(node, holding.gpuUuids, demand, wanted)) runIds.add(holding.runId)
  }
  return [...runIds].sort((a, b) => a - b)
}

function competes(
  node: PoolNode,
  gpuUuids: readonly string[],
  demand: Demand,
  wanted: ReadonlySet<string>,
): boolean {
  if (demand.gpuCount === 0) return node.devices.length === 0 || gpuUuids.length === 0
  return gpuUuids.some((uuid) => wanted.has(uuid))
}

function runsNamed(runIds: readonly number[]): string {
  if (runIds.length === 1) return `run ${runIds[0]}`
  const named = runIds.slice(0, namedAtMost).join(', ')
  return `one of runs ${named}${runIds.length > namedAtMost ? ' …' : ''}`
}
