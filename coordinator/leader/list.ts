import { setImmediate } from 'node:timers/promises'
import { RpcError } from '../../common/errors.js'
import { isFinal } from '../../proto/model/run-state.js'
import type { RunView } from '../core/records.js'
import type { FoundRun } from './edit.js'
import type { RunEntry } from './run-book.js'
import type { Term } from './term.js'
import type { RunFilter, RunPage } from './types.js'
import { nodeName, settledView, viewOf } from './views.js'

/** What one page may cost: a filter that nothing matches must not read the whole archive in one call. */
const pageCost = { ids: 50_000, segments: 4 }

/** The event loop waits at most for so many runs of a list: one out of the archive has to be parsed. */
const idsPerTurn = 100

/** Newest first; a page token is the id below which the next page begins. */
export async function listRuns(term: Term, filter: RunFilter): Promise<RunPage> {
  const runs: RunView[] = []
  const cost = { ...pageCost }
  const ids = filter.activeOnly ? activeIds(term, filter) : allIds(term, filter)
  for (const id of ids) {
    const found = await findWithin(term, id, cost)
    if (found === 'too much') return { runs, nextPageToken: String(id + 1) }
    if (found === 'away') return withoutStore(runs, id)
    const view = found && matching(term, found, filter)
    if (view) runs.push(view)
    if (runs.length === filter.pageSize) return { runs, nextPageToken: id > 1 ? String(id) : '' }
  }
  return { runs, nextPageToken: '' }
}

/** While the store is away what is in memory is listed; only a page with nothing else says so as an error. */
function withoutStore(runs: readonly RunView[], id: number): RunPage {
  if (runs.length > 0) return { runs, nextPageToken: String(id + 1) }
  throw new RpcError('UNAVAILABLE', `Runs up to ${id} are in the archive, and the store is away.`)
}

function* allIds(term: Term, filter: RunFilter): Iterable<number> {
  for (let id = firstId(term, filter); id >= 1; id -= 1) yield id
}

function activeIds(term: Term, filter: RunFilter): readonly number[] {
  const first = firstId(term, filter)
  return [...term.memory.runs.active()].filter((id) => id <= first).sort((a, b) => b - a)
}

function firstId(term: Term, { pageToken }: RunFilter): number {
  const newest = Math.max(term.memory.counter, term.restoreGuard.highest)
  if (pageToken === '') return newest
  const below = Number(pageToken)
  if (!Number.isSafeInteger(below) || below < 1)
    throw new RpcError('INVALID_ARGUMENT', 'The page token is none that this cluster has given.')
  return Math.min(newest, below - 1)
}

async function findWithin(
  term: Term,
  id: number,
  cost: { ids: number; segments: number },
): Promise<FoundRun | 'too much' | 'away' | undefined> {
  if (cost.ids === 0) return 'too much'
  cost.ids -= 1
  if (cost.ids % idsPerTurn === 0) await setImmediate()
  const known = term.memory.runs.get(id) ?? term.archive.peek(id)
  if (known) return known
  if (!term.archive.has(id)) return undefined
  if (cost.segments === 0) return 'too much'
  cost.segments -= 1
  return term.archive.find(id).catch((error: unknown) => {
    if (error instanceof RpcError && error.code === 'UNAVAILABLE') return 'away'
    throw error
  })
}

function matching(term: Term, found: FoundRun, filter: RunFilter): RunView | undefined {
  const { origin, record } = found
  const { labels, project, archived } = term.memory.edits.get(record.id) ?? record
  const { code, kind } = origin.spec
  if (archived && !filter.includeArchived) return undefined
  if (kind !== 'user' && !filter.includeWorkspaces) return undefined
  if (filter.activeOnly && isFinal(record.state)) return undefined
  if (filter.creator !== undefined && origin.creator !== filter.creator) return undefined
  if (filter.project !== undefined && project !== filter.project) return undefined
  if (filter.uncategorized && project !== undefined) return undefined
  if (filter.labels.length > 0 && !filter.labels.some((label) => labels.includes(label))) return undefined
  if (filter.repository !== undefined && repositoryOf(code) !== filter.repository) return undefined
  return viewFound(term, found)
}

function repositoryOf(code: FoundRun['origin']['spec']['code']): string {
  switch (code.kind) {
    case 'synced':
      return code.repositoryName
    case 'git':
      return code.url
    case 'none':
      return ''
  }
}

export function viewFound(term: Term, found: FoundRun): RunView {
  const { memory, links } = term
  if (isEntry(found)) return viewOf(memory, links, found)
  const { origin, record } = found
  return {
    ...settledView(origin, record, memory.edits.get(record.id)),
    nodeName: nodeName(memory, record.nodeId),
  }
}

function isEntry(found: FoundRun | RunEntry): found is RunEntry {
  return 'demand' in found
}
