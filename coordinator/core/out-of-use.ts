import type { Demand } from './machine-types.js'
import type { Pool, PoolNode } from './pool.js'

const namedAtMost = 2

/** Which of a node's devices that the demand would take get no runs, and why, in brackets; empty: none. */
export function outOfUse(pool: Pool, node: PoolNode, demand: Demand): string {
  const out = [...pool.sorts(node, demand, 'own').values()].flat().filter(({ unusable }) => unusable !== '')
  if (out.length === 0) return ''
  const named = out
    .slice(0, namedAtMost)
    .map(({ uuid, unusable }) => `${uuid.slice(0, shownOfUuid)}: ${unusable.replace(/\.$/, '')}`)
  const more = out.length - named.length
  return ` (${[...named, ...(more > 0 ? [`${more} more out of use`] : [])].join('; ')})`
}

/** `GPU-ee7954ec`; of a MIG device as much. */
const shownOfUuid = 12
