import { RpcError } from '../../common/errors.js'
import type { Term } from './term.js'

export interface RepairOptions {
  /** Also while a node or the store may know of ids that nobody has shown yet. */
  readonly force: boolean
}

export interface Repaired {
  /** The newest run's id, as it was and as it is. */
  readonly before: number
  readonly counter: number
  /** etcd had been made from a backup, and this was the first repair since. */
  readonly restored: boolean
  /** Who has shown ids, and the highest each. */
  readonly shown: ReadonlyMap<string, number>
  /** Names of nodes that have not been heard in this term: what they hold is not known. */
  readonly unheard: readonly string[]
}

/**
 * After a restored backup: raises the counter of runs to the highest id that anything has shown, and lets ids be handed
 * out again. FAILED_PRECONDITION while something that may know of more has not been asked.
 */
export async function repairCounter(term: Term, { force }: RepairOptions): Promise<Repaired> {
  const { memory, restoreGuard, writes, highestRun } = term
  if (highestRun.firstAnswer) await highestRun.firstAnswer
  restoreGuard.checkSight()
  const { restored } = memory
  const before = memory.counter
  const unheard = unheardNodes(term)
  if (!force) checkEverybodyAsked(term, unheard)
  memory.counter = Math.max(before, restoreGuard.highest)
  memory.restored = false
  restoreGuard.restored = false
  await writes.commit([writes.counterPut(memory.counter)], restored ? [writes.keys.restored] : [])
  await highestRun.note()
  return { before, counter: memory.counter, restored, shown: restoreGuard.shown, unheard }
}

function checkEverybodyAsked({ memory, highestRun }: Term, unheard: readonly string[]): void {
  if (!memory.restored) return
  if (!highestRun.isRead)
    throw new RpcError(
      'FAILED_PRECONDITION',
      'The store is away, and its note of the highest run id is needed. Repair when it is back, or with --force if it is lost.',
    )
  if (unheard.length > 0)
    throw new RpcError(
      'FAILED_PRECONDITION',
      `Not heard of since the restore: ${unheard.join(', ')}. Runs that are newer than the backup may be there. Repair when all nodes are back, or with --force if they are lost.`,
    )
}

function unheardNodes({ memory, links }: Term): readonly string[] {
  return [...memory.nodes.values()]
    .filter(({ id }) => links.lastHeardMs(id) === undefined)
    .map(({ name }) => name)
    .sort()
}
