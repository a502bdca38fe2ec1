import { RpcError } from '../../common/errors.js'
import type { ListRunsRequest__Output } from '../../proto/gen/spell/v1/ListRunsRequest.js'
import type { RunView } from '../core/records.js'
import { runToWire } from './run-to-wire.js'
import type { UserCall } from './user-call.js'

/** Clients in other languages take messages of 4 MiB; a page ends before it could become larger. */
const pageBytes = 2 * 1024 * 1024
/** Runs asked for at a time, so that few are looked up in vain. */
const stepRuns = 100

/** A page may be shorter than asked for, even empty, and still have another after it. */
export async function listRuns(request: ListRunsRequest__Output, call: UserCall): Promise<object> {
  const wanted = request.pageSize || 50
  if (wanted > 1_000) throw new RpcError('INVALID_ARGUMENT', 'page_size may be at most 1,000.')
  const runs: object[] = []
  let bytes = 0
  let pageToken = request.pageToken
  for (;;) {
    // Once one run was large the next may be too: from then on they are looked at one by one.
    const room = bytes > pageBytes / 4 ? 1 : Math.min(stepRuns, wanted - runs.length)
    const page = await call.leader.list({ ...filterOf(request), pageSize: room, pageToken })
    for (const run of page.runs) {
      runs.push(runToWire(run, { files: false }))
      bytes += sizeOf(run)
    }
    pageToken = page.nextPageToken
    if (pageToken === '' || runs.length >= wanted || bytes >= pageBytes || page.runs.length === 0) break
  }
  return { runs, nextPageToken: pageToken }
}

function filterOf(request: ListRunsRequest__Output) {
  const { labels, uncategorized, includeWorkspaces, includeArchived, activeOnly } = request
  return {
    labels,
    uncategorized,
    includeWorkspaces,
    includeArchived,
    activeOnly,
    project: request.project || undefined,
    repository: request.repository || undefined,
    creator: request.creator || undefined,
  }
}

/** About how many bytes a row has in a message, without attached files. */
function sizeOf(run: RunView): number {
  const { spec } = run
  const texts = [spec.command, spec.description, run.reason, ...run.labels, ...run.notes]
  const names = spec.env.map(({ name }) => name)
  const mounts = spec.mounts.flatMap(({ resource, path }) => [resource, path])
  const { pipPackages, aptPackages } = spec.environment
  const all = [...texts, ...names, ...mounts, ...pipPackages, ...aptPackages]
  return all.reduce((sum, text) => sum + 2 * text.length + 4, 500)
}
