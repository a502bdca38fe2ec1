import type { Membership } from '../core/join-records.js'
import { encode } from '../core/record-codec.js'
import type { Memory } from './memory.js'
import type { Term } from './term.js'
import type { Put, Unit } from './types.js'

/** Removed ones that are remembered; of more the oldest are forgotten. */
const maxRemoved = 10_000

export const holderOfNode = (nodeId: string): string => `node:${nodeId}`

/** Whether the node was taken out of the cluster: its certificate, however new, is good for nothing. */
export function isRemoved(memory: Memory, nodeId: string): boolean {
  return isHolderRemoved(memory, holderOfNode(nodeId))
}

export function isHolderRemoved(memory: Memory, holder: string): boolean {
  return (memory.memberships.get(holder)?.removedAtMs ?? 0) > 0
}

/** Of a node that joined as a certain type; undefined: whatever its machine is. */
export function machineTypeOf(memory: Memory, nodeId: string): string | undefined {
  return memory.memberships.get(holderOfNode(nodeId))?.machineType || undefined
}

/**
 * Takes the node out of the cluster for good, whether it has joined or came with the cluster: from now on the agents' port
 * refuses it, and its certificate can't be renewed. Changes memory; the caller commits the result together with what else
 * the removal changes. Safe to repeat.
 */
export function forgetNode(term: Term, nodeId: string): Unit {
  const { memory, parts } = term
  const holder = holderOfNode(nodeId)
  if (isHolderRemoved(memory, holder)) return { puts: [], deletes: [] }
  const known = memory.memberships.get(holder)
  const removed: Membership = {
    holder,
    name: memory.nodes.get(nodeId)?.name ?? known?.name ?? nodeId,
    publicKeySha256: known?.publicKeySha256 ?? '',
    tokenSha256: known?.tokenSha256 ?? '',
    machineId: known?.machineId ?? '',
    machineType: known?.machineType ?? '',
    joinedAtMs: known?.joinedAtMs ?? 0,
    removedAtMs: Math.max(1, parts.clock.now()),
  }
  return { puts: [putMembership(term, removed)], deletes: dropOldestRemoved(term) }
}

/** Changes memory; the caller commits. */
export function putMembership({ memory, writes }: Term, membership: Membership): Put {
  memory.memberships.set(membership.holder, membership)
  return { key: writes.keys.membership(membership.holder), value: encode(membership) }
}

function dropOldestRemoved({ memory, writes }: Term): readonly string[] {
  const removed = [...memory.memberships.values()].filter(({ removedAtMs }) => removedAtMs > 0)
  const over = removed.length - maxRemoved
  if (over <= 0) return []
  removed.sort((a, b) => a.removedAtMs - b.removedAtMs)
  return removed.slice(0, over).map(({ holder }) => {
    memory.memberships.delete(holder)
    return writes.keys.membership(holder)
  })
}
