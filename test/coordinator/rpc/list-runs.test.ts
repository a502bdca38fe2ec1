import test from 'ava'
import { listRuns } from '../../../coordinator/rpc/list-runs.js'
import { maxMessageBytes } from '../../../proto/channel.js'
import type { ListRunsRequest__Output } from '../../../proto/gen/spell/v1/ListRunsRequest.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { RunSpec } from '../../../proto/model/run-spec.js'
import { codec } from '../../../proto/wire.js'
import { settle, submit, World } from '../leader/harness.js'

const long = (count: number) => Array.from({ length: count }, (_, index) => `${index}`.padStart(250, 'x'))

const large: readonly Partial<RunSpec>[] = [
  { env: long(1_000).map((name) => ({ name, value: '' })) },
  { hyperparameters: Object.fromEntries(long(1_000).map((name) => [name, name])) },
  { code: { kind: 'git', url: 'x'.repeat(300_000), ref: '' } },
  { labels: long(1_000) },
]

for (const changes of large)
  test(`a page of runs with large ${Object.keys(changes)} ends before a message is full, and none is left out`, async (t) => {
    const leader = new World().lead()
    for (let run = 0; run < 30; run += 1) void submit(leader, changes)
    await settle()
    const ids: number[] = []
    for (let pageToken: string | undefined; pageToken !== ''; ) {
      const request = codec<ListRunsRequest__Output>('ListRunsRequest').decode(Buffer.alloc(0))
      const page = await listRuns({ ...request, pageSize: 1_000, pageToken: pageToken ?? '' }, { leader })
      const bytes = codec('ListRunsResponse').encode(page)
      t.true(bytes.length < maxMessageBytes, `${bytes.length} bytes`)
      const answer = codec<ListRunsResponse__Output>('ListRunsResponse').decode(bytes)
      ids.push(...answer.runs.map(({ id }) => id))
      pageToken = answer.nextPageToken
    }
    t.deepEqual(
      ids,
      Array.from({ length: 30 }, (_, index) => 30 - index),
    )
  })
