import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { RunEdit, RunOrigin, RunRecord } from '../core/records.js'
import type { Term } from './term.js'
import type { Put } from './types.js'

// What people change about a run beside its state: labels, project, whether lists hide it. A run in etcd carries these
// in its status; one that has left for the archive, or is about to, in an edit of its own.

export interface FoundRun {
  readonly origin: RunOrigin
  readonly record: RunRecord
}

/** A run wherever it is; undefined: there is none. UNAVAILABLE: it is in the archive and the store is away. */
export async function lookUp(term: Term, id: number): Promise<FoundRun | undefined> {
  return term.memory.runs.get(id) ?? (await term.archive.find(id))
}

/** Several at once. All are found before the caller changes any, so that a store that is away leaves nothing half done. */
export async function lookUpAll(
  term: Term,
  ids: readonly number[],
): Promise<ReadonlyMap<number, FoundRun | undefined>> {
  const found = new Map<number, FoundRun | undefined>()
  for (const id of new Set(ids)) found.set(id, await lookUp(term, id))
  return found
}

export function noSuchRun(term: Term, id: number): RpcError {
  const { counter } = term.memory
  return new RpcError(
    'NOT_FOUND',
    counter === 0 ? `no run ${id}; there are no runs yet` : `no run ${id}; the newest is ${counter}`,
  )
}

type Change = Partial<Pick<RunEdit, 'labels' | 'archived'>> & { readonly project?: string | undefined }

/** Labels, project and archived flag as they are now. */
export function editable(term: Term, { record }: FoundRun): Pick<RunEdit, 'labels' | 'project' | 'archived'> {
  return term.memory.edits.get(record.id) ?? record
}

/** Changes memory; gives what to commit beside the changed runs. */
export function changeRun(term: Term, found: FoundRun, change: Change): readonly Put[] {
  const { memory, writes } = term
  const { id } = found.record
  const entry = memory.runs.get(id)
  if (entry && !entry.leaving && !memory.edits.has(id)) {
    memory.runs.set(entry, { ...entry.record, ...change })
    return []
  }
  const { labels, project, archived } = editable(term, found)
  const edit: RunEdit = { id, labels, project, archived, ...change, projectInSegment: found.record.project }
  memory.edits.set(id, edit)
  return [{ key: writes.keys.edit(id), value: encode(edit) }]
}

const maxLabels = 64

export async function labelRun(
  term: Term,
  id: number,
  change: { readonly label: string; readonly remove: boolean },
  check: (creator: string) => void,
): Promise<void> {
  const found = await lookUp(term, id)
  if (!found) throw noSuchRun(term, id)
  check(found.origin.creator)
  term.writes.checkRoom()
  const { labels } = editable(term, found)
  const others = labels.filter((label) => label !== change.label)
  if (change.remove && others.length === labels.length)
    throw new RpcError('NOT_FOUND', `Run ${id} has no label ${JSON.stringify(change.label)}.`)
  if (!change.remove && others.length >= maxLabels)
    throw new RpcError('RESOURCE_EXHAUSTED', `Run ${id} has ${maxLabels} labels, which is the most.`)
  const next = change.remove ? others : [...others, change.label]
  await term.writes.commit(changeRun(term, found, { labels: next }))
}
