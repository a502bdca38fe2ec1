import { RpcError } from '../../common/errors.js'
import type { ListRunsRequest__Output } from '../../proto/gen/spell/v1/ListRunsRequest.js'
import { messageBytes, pageBytes } from '../../proto/message-bytes.js'
import { runToWire } from './run-to-wire.js'
import type { UserCall } from './user-call.js'

/** Runs asked for at a time, so that few are looked up in vain. */
const stepRuns = 100

/** A page may be shorter than asked for, even empty, and still have another after it. */
export async function listRuns(
  request: ListRunsRequest__Output,
  { leader }: Pick<UserCall, 'leader'>,
): Promise<object> {
  const wanted = request.pageSize || 50
  if (wanted > 1_000) throw new RpcError('INVALID_ARGUMENT', 'page_size may be at most 1,000.')
  const runs: object[] = []
  let bytes = 0
  let pageToken = request.pageToken
  for (;;) {
    const pageSize = Math.min(stepRuns, wanted - runs.length)
    const page = await leader.list({ ...filterOf(request), pageSize, pageToken })
    for (const run of page.runs) {
      const row = runToWire(run, { files: false })
      runs.push(row)
      bytes += messageBytes(row)
      if (bytes >= pageBytes) return { runs, nextPageToken: String(run.id) }
    }
    pageToken = page.nextPageToken
    if (pageToken === '' || runs.length >= wanted || page.runs.length === 0) break
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
