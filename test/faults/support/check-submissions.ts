import { RpcError } from '../../../common/errors.js'
import { decode, decodeOrigin } from '../../../coordinator/core/record-codec.js'
import type { RequestRecord, RunOrigin } from '../../../coordinator/core/records.js'
import type { Etcd } from '../../../coordinator/store/etcd.js'
import { type Keys, parseRunKey } from '../../../coordinator/store/keys.js'
import { loadPrefix } from '../../../coordinator/store/load.js'
import type { Channel } from '../../../proto/channel.js'
import { type Answered, type Submission, submitUntilAnswered } from './submitter.js'

export interface SubmissionsToCheck {
  readonly client: Etcd
  readonly keys: Keys
  readonly channel: Channel
  readonly signal: AbortSignal
  readonly submissions: readonly Submission[]
  /** In the order of the submissions. */
  readonly answers: readonly Answered[]
}

/** Broken promises, each a sentence: of what was answered, of what etcd holds, and of what is answered when asked again. */
export async function checkSubmissions(what: SubmissionsToCheck): Promise<readonly string[]> {
  return [...checkAnswers(what), ...(await checkEtcd(what)), ...(await askAgain(what))]
}

function checkAnswers({ submissions, answers }: SubmissionsToCheck): readonly string[] {
  const ids = answers.map(({ runId }) => runId).sort((a, b) => a - b)
  const wrong = ids.findIndex((id, index) => id !== index + 1)
  if (ids.length === submissions.length && wrong < 0) return []
  return [
    `${ids.length} answers; the ids are not 1 to ${submissions.length}: ${ids[wrong]} is number ${wrong + 1}`,
  ]
}

interface InEtcd {
  readonly origins: ReadonlyMap<number, RunOrigin>
  readonly statuses: ReadonlySet<number>
  readonly requests: ReadonlyMap<string, RequestRecord>
  readonly newest: number
}

async function readEtcd(client: Etcd, keys: Keys): Promise<InEtcd> {
  const origins = new Map<number, RunOrigin>()
  const statuses = new Set<number>()
  const requests = new Map<string, RequestRecord>()
  let newest = 0
  await loadPrefix(client, keys.prefix, ({ key, value }) => {
    const run = parseRunKey(keys, key)
    if (run?.part === 'spec') origins.set(run.runId, decodeOrigin(value, key))
    else if (run) statuses.add(run.runId)
    else if (key.startsWith(keys.requests)) {
      const record = decode<RequestRecord>(value, key)
      requests.set(record.requestId, record)
    } else if (key === keys.counter) newest = decode<{ newest: number }>(value, key).newest
  })
  return { origins, statuses, requests, newest }
}

async function checkEtcd({ client, keys, submissions, answers }: SubmissionsToCheck) {
  const { origins, statuses, requests, newest } = await readEtcd(client, keys)
  const count = submissions.length
  const faults: string[] = []
  const sizes = { runs: origins.size, statuses: statuses.size, requests: requests.size, newest }
  if (Object.values(sizes).some((size) => size !== count))
    faults.push(`etcd holds ${JSON.stringify(sizes)} after ${count} submissions`)
  for (const [index, { requestId, spec }] of submissions.entries()) {
    const runId = answers[index]?.runId ?? 0
    const origin = origins.get(runId)
    if (requests.get(requestId)?.runId !== runId)
      faults.push(`request ${requestId} was answered ${runId}; etcd says ${requests.get(requestId)?.runId}`)
    if (origin?.requestId !== requestId || origin.spec.command !== commandOf(spec))
      faults.push(`run ${runId} is not what request ${requestId} asked for: ${JSON.stringify(origin)}`)
  }
  return faults
}

async function askAgain(what: SubmissionsToCheck): Promise<readonly string[]> {
  const { channel, signal, submissions, answers } = what
  const faults: string[] = []
  for (let start = 0; start < submissions.length; start += 100) {
    const some = submissions.slice(start, start + 100)
    const again = await Promise.all(some.map((one) => submitUntilAnswered(channel, one, signal)))
    for (const [offset, { runId, repeated }] of again.entries()) {
      const first = answers[start + offset]?.runId
      if (runId !== first || !repeated)
        faults.push(`request ${some[offset]?.requestId} was answered ${first}, later ${runId}`)
    }
  }
  const [first] = submissions
  if (first) faults.push(...(await askOtherwise(channel, first, signal)))
  const { newest } = await readEtcd(what.client, what.keys)
  if (newest !== submissions.length) faults.push(`asking again made runs: the newest is ${newest}`)
  return faults
}

/** The same request id with another content is refused. */
async function askOtherwise(channel: Channel, { requestId, spec }: Submission, signal: AbortSignal) {
  const other = { requestId, spec: { ...spec, command: 'another' } }
  try {
    const { runId } = await submitUntilAnswered(channel, other, signal)
    return [`request ${requestId} with another content was answered ${runId}`]
  } catch (error) {
    return error instanceof RpcError && error.code === 'ALREADY_EXISTS' ? [] : [String(error)]
  }
}

const commandOf = (spec: object): unknown => 'command' in spec && spec.command
