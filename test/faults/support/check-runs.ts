import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { Journal, journalDefaults } from '../../../node-agent/journal/journal.js'
import type { Channel } from '../../../proto/channel.js'
import type { FilePart__Output } from '../../../proto/gen/spell/v1/FilePart.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { ListNodesResponse__Output } from '../../../proto/gen/spell/v1/ListNodesResponse.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import { stateToWire } from '../../../proto/model/run-state.js'
import { method } from '../../../proto/wire.js'
import type { Job } from './jobs.js'
import type { FaultPool } from './pool.js'
import { type Submission, submitUntilAnswered, untilAnswered } from './submitter.js'

export interface RunsToCheck {
  readonly pool: FaultPool
  readonly channel: Channel
  readonly signal: AbortSignal
  readonly jobs: readonly Job[]
  readonly submissions: readonly Submission[]
  /** In the order of the jobs. */
  readonly runIds: readonly number[]
}

/** Broken promises, each a sentence: of every run's end, log and outputs, of what is left on the node, and of later questions. */
export async function checkRuns(what: RunsToCheck): Promise<readonly string[]> {
  return [
    ...checkIds(what),
    ...(await checkEnds(what)),
    ...(await checkAttempts(what)),
    ...(await askAgain(what)),
    ...(await checkNode(what)),
  ]
}

function checkIds({ runIds, jobs }: RunsToCheck): readonly string[] {
  const sorted = [...runIds].sort((a, b) => a - b)
  const right = sorted.length === jobs.length && sorted.every((id, index) => id === index + 1)
  return right ? [] : [`the ids are not 1 to ${jobs.length}: ${sorted.join(' ')}`]
}

const listMethod = method<object, ListRunsResponse__Output>('Runs', 'List')
const getMethod = method<object, Run__Output>('Runs', 'Get')
const followMethod = method<object, FollowEvent__Output>('Runs', 'Follow')
const readMethod = method<object, FilePart__Output>('Files', 'Read')
const nodesMethod = method<object, ListNodesResponse__Output>('Cluster', 'ListNodes')

async function checkEnds({ channel, signal, jobs, runIds }: RunsToCheck): Promise<readonly string[]> {
  const ask = <Answer>(call: () => Promise<Answer>) => untilAnswered(call, signal)
  const deadline = { deadlineMs: 5_000, signal }
  const listed = await ask(() => channel.call(listMethod, { pageSize: jobs.length + 10 }, deadline))
  const faults: string[] = []
  const ids = listed.runs.map(({ id }) => id)
  if (ids.some((id, index) => id !== jobs.length - index) || ids.length !== jobs.length)
    faults.push(`the list of runs has ${ids.join(' ')}`)
  await Promise.all(
    jobs.map(async (job, index) => {
      const runId = runIds[index] ?? 0
      const run = await ask(() => channel.call(getMethod, { runId }, deadline))
      const row = listed.runs.find(({ id }) => id === runId)
      const seen = {
        ...{ command: run.spec?.command, state: run.state, exitCode: run.exitCode, attempt: run.attempt },
        ...{ listedAs: row?.state, listedExitCode: row?.exitCode },
        log: await ask(() => logOf(channel, runId, signal)),
        outputs: await ask(() => outputsOf(channel, runId, signal)),
      }
      const state = stateToWire(job.state)
      const wanted = {
        ...{ command: job.command, state, exitCode: job.exitCode, attempt: 1 },
        ...{ listedAs: state, listedExitCode: job.exitCode, log: job.log, outputs: job.outputs },
      }
      const states = run.states.map((each) => each.state)
      if (new Set(states).size !== states.length || states.at(-1) !== state)
        faults.push(`run ${runId} went through ${states.join(', ')}`)
      if (JSON.stringify(seen) !== JSON.stringify(wanted))
        faults.push(
          `run ${runId} is ${JSON.stringify({ ...seen, reason: run.reason })}; wanted ${JSON.stringify(wanted)}`,
        )
    }),
  )
  return faults
}

async function logOf(channel: Channel, runId: number, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = []
  const request = { runId, follow: false, logs: true }
  for await (const { log } of channel.serverStream(followMethod, request, { signal }))
    if (log) pieces.push(log.data)
  return Buffer.concat(pieces).toString()
}

async function outputsOf(channel: Channel, runId: number, signal: AbortSignal) {
  const outputs: Record<string, string> = {}
  const request = { path: `runs/${runId}`, recursive: true }
  let path = ''
  for await (const { entry, data } of channel.serverStream(readMethod, request, { signal })) {
    if (entry) path = entry.path.replace(/^runs\/\d+\//, '')
    if (entry?.kind === 'DIRECTORY') continue
    outputs[path] = (outputs[path] ?? '') + data.toString()
  }
  return outputs
}

/** Nothing was kept of any attempt but the first of each run. */
async function checkAttempts({ pool }: RunsToCheck): Promise<readonly string[]> {
  const logs = await readdir(join(pool.storeDir, '.spell/logs'), { recursive: true }).catch(() => [])
  const outputs = await readdir(join(pool.storeDir, 'runs')).catch(() => [])
  const others = [
    ...logs.filter((name) => name.endsWith('.log') && !/\b\d+\.1\.log$/.test(name)),
    ...outputs.filter((name) => !/^\d+$/.test(name)),
  ]
  return others.map((name) => `the store holds ${name}, of a second attempt`)
}

async function askAgain({ channel, signal, submissions, runIds }: RunsToCheck): Promise<readonly string[]> {
  const again = await Promise.all(submissions.map((one) => submitUntilAnswered(channel, one, signal)))
  return again.flatMap(({ runId, repeated }, index) =>
    runId === runIds[index] && repeated
      ? []
      : [`request ${submissions[index]?.requestId} was answered ${runIds[index]}, later ${runId}`],
  )
}

/** The node holds nothing, and says so: no folder, no entry in the journal, no run in the list of nodes. */
async function checkNode({ pool, channel, signal }: RunsToCheck): Promise<readonly string[]> {
  const attempts = join(pool.agentDataDir, 'attempts')
  const until = systemClock.monotonic() + 10_000
  const left = () => readdir(attempts)
  while ((await left()).some(isAttempt) && systemClock.monotonic() < until)
    await systemClock.sleep(50, signal)
  const faults = (await left()).filter(isAttempt).map((name) => `the node still has the folder ${name}`)
  const { nodes } = await untilAnswered(
    () => channel.call(nodesMethod, {}, { deadlineMs: 5_000, signal }),
    signal,
  )
  const held = nodes.flatMap(({ runIds }) => runIds)
  if (nodes.length !== 1 || held.length > 0)
    faults.push(`there are ${nodes.length} nodes, which hold the runs ${held.join(' ')}`)
  await pool.agent.signal('SIGTERM')
  const journal = await Journal.open(
    { ...journalDefaults, segmentBytes: 1 << 18, folder: join(pool.agentDataDir, 'journal') },
    { clock: systemClock, failpoints: noFailpoints, onFailure: () => undefined },
  )
  const kept = [...journal.attempts.keys()]
  await journal.close()
  if (kept.length > 0) faults.push(`the node's journal still has ${kept.join(' ')}`)
  return faults
}

const isAttempt = (name: string) => /^\d+\.\d+$/.test(name)
