import type { Channel } from '../../../proto/channel.js'
import type { FilePart__Output } from '../../../proto/gen/spell/v1/FilePart.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { ListNodesResponse__Output } from '../../../proto/gen/spell/v1/ListNodesResponse.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import { stateFromWire } from '../../../proto/model/run-state.js'
import { method } from '../../../proto/wire.js'
import { type Submission, submitUntilAnswered, untilAnswered } from '../support/submitter.js'
import { attemptOf, type LedgerPage, runOf } from './ledger.js'
import type { Scene } from './scene.js'
import { keptOf } from './stored.js'
import type { Watcher } from './watcher.js'
import type { Work } from './work.js'

export interface EndToCheck {
  readonly scene: Scene
  readonly channel: Channel
  readonly submissions: readonly Submission[]
  /** In the order of the works. */
  readonly runIds: readonly number[]
  readonly watchers: readonly Watcher[]
}

export interface CheckedEnd {
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  readonly repeated: number
  readonly interrupted: number
}

/** What must hold when everything has healed and all has been archived. */
export async function checkEnd(what: EndToCheck): Promise<CheckedEnd> {
  const page = what.scene.ledger.read()
  const runs = await readRuns(what)
  const faults = [
    ...page.faults,
    ...what.scene.faults,
    ...checkIds(what),
    ...(await checkList(what, runs)),
    ...runs.flatMap((run) => checkRun(what, run, page)),
    ...checkLedger(what, runs, page),
    ...checkWatchers(what, runs),
    ...(await checkStale(what)),
    ...(await askAgain(what)),
    ...(await checkNodes(what)),
  ]
  const repeated = runs.filter(({ attempt }) => attempt > 1).length
  return { faults, repeated, interrupted: runs.filter(({ state }) => state === 'interrupted').length }
}

/** A run as anyone sees it afterwards. */
interface SeenRun {
  readonly work: Work
  readonly id: number
  readonly state: ReturnType<typeof stateFromWire>
  readonly attempt: number
  readonly node: string
  readonly exitCode: number | undefined
  readonly reason: string
  readonly notes: readonly string[]
  readonly log: string
  readonly outputs: Readonly<Record<string, string>>
}

const getMethod = method<object, Run__Output>('Runs', 'Get')
const listMethod = method<object, ListRunsResponse__Output>('Runs', 'List')
const followMethod = method<object, FollowEvent__Output>('Runs', 'Follow')
const readMethod = method<object, FilePart__Output>('Files', 'Read')
const nodesMethod = method<object, ListNodesResponse__Output>('Cluster', 'ListNodes')
const deadlineMs = 5_000

async function readRuns({ scene, channel, runIds }: EndToCheck): Promise<readonly SeenRun[]> {
  const { signal } = scene
  const ask = <Answer>(call: () => Promise<Answer>) => untilAnswered(call, signal)
  return await Promise.all(
    scene.works.map(async (work, index) => {
      const id = runIds[index] ?? 0
      const run = await ask(() => channel.call(getMethod, { runId: id }, { deadlineMs, signal }))
      const { attempt, exitCode, reason, notes } = run
      return {
        ...{
          work,
          id,
          attempt,
          exitCode,
          reason,
          notes,
          state: stateFromWire(run.state),
          node: run.nodeName,
        },
        log: await ask(() => logOf(channel, id, signal)),
        outputs: await ask(() => outputsOf(channel, id, signal)),
      }
    }),
  )
}

async function logOf(channel: Channel, runId: number, signal: AbortSignal): Promise<string> {
  const pieces: Buffer[] = []
  const request = { runId, follow: false, logs: true }
  for await (const { log } of channel.serverStream(followMethod, request, { signal, deadlineMs }))
    if (log) pieces.push(log.data)
  return Buffer.concat(pieces).toString()
}

async function outputsOf(channel: Channel, runId: number, signal: AbortSignal) {
  const outputs: Record<string, string> = {}
  const request = { path: `runs/${runId}`, recursive: true }
  let path = ''
  for await (const { entry, data } of channel.serverStream(readMethod, request, { signal, deadlineMs })) {
    if (entry) path = entry.path.replace(/^runs\/\d+\//, '')
    if (entry?.kind === 'DIRECTORY') continue
    outputs[path] = (outputs[path] ?? '') + data.toString()
  }
  return outputs
}

function checkIds({ runIds, scene }: EndToCheck): readonly string[] {
  const sorted = [...runIds].sort((a, b) => a - b)
  const right = sorted.length === scene.works.length && sorted.every((id, index) => id === index + 1)
  return right ? [] : [`the ids are not 1 to ${scene.works.length}: ${sorted.join(' ')}`]
}

async function checkList({ channel, scene, runIds }: EndToCheck, runs: readonly SeenRun[]) {
  const { signal } = scene
  const request = { pageSize: runIds.length + 10 }
  const { runs: rows } = await untilAnswered(
    () => channel.call(listMethod, request, { deadlineMs, signal }),
    signal,
  )
  const faults = runs
    .filter(
      ({ id, state }) =>
        rows.filter((row) => row.id === id && stateFromWire(row.state) === state).length !== 1,
    )
    .map(({ id, state }) => `run ${id}, ${state}, is not in the list once as that`)
  return rows.length === runIds.length ? faults : [...faults, `the list has ${rows.length} runs`]
}

/** Its end follows from what was asked of it and what befell its machine; what is kept is the counting attempt's, whole. */
function checkRun({ scene }: EndToCheck, run: SeenRun, page: LedgerPage): readonly string[] {
  const { work, id, state, attempt, exitCode } = run
  const key = `${id}.${attempt}`
  const said = `run ${id} (work ${work.index}) is ${state} (${exitCode}) by attempt ${attempt} on ${run.node}${run.reason && `, ${run.reason}`}`
  const faults: string[] = []
  if (attempt !== 1 && !work.replaceable) faults.push(`${said}, which can't be repeated`)
  if (state === 'interrupted') {
    if (work.replaceable) faults.push(`${said} instead of repeated`)
    if (!scene.rebooted.has(run.node)) faults.push(`${said}, and its machine was never without power`)
    if (!work.log(key, run.log).startsWith(run.log)) faults.push(`${said}; its log is ${brief(run.log)}`)
    const late = JSON.stringify(run.outputs) === JSON.stringify(work.outputs(key))
    if (!late && Object.keys(run.outputs).length > 0)
      faults.push(`${said}; it left ${JSON.stringify(run.outputs)}`)
    return faults
  }
  if (scene.powerless.has(key) && state !== 'killed')
    faults.push(`${said}, though its machine lost power while it ran`)
  if (state !== work.state || exitCode !== work.exitCode)
    faults.push(`${said}; wanted ${work.state} (${work.exitCode})`)
  const log = work.log(key, run.log)
  const whole = state === 'killed' ? log.startsWith(run.log) : run.log === log
  if (!whole) faults.push(`${said}; its log is ${brief(run.log)}; wanted ${brief(log)}`)
  if (JSON.stringify(run.outputs) !== JSON.stringify(work.outputs(key)))
    faults.push(`${said}; it left ${JSON.stringify(run.outputs)}`)
  if (state === 'complete' && !page.ended.has(key)) faults.push(`${said} without having come to its end`)
  return faults
}

const brief = (text: string) =>
  JSON.stringify(text.length < 200 ? text : `${text.slice(0, 80)}…${text.slice(-80)} (${text.length})`)

/** Nothing ran that nobody knows of. */
function checkLedger({ runIds }: EndToCheck, runs: readonly SeenRun[], page: LedgerPage): readonly string[] {
  const newest = new Map(runs.map(({ id, attempt }) => [id, attempt]))
  return [...page.started].flatMap(([key, index]) => {
    if (runIds[index] !== runOf(key)) return [`attempt ${key} did the work of run ${runIds[index]}`]
    return attemptOf(key) > (newest.get(runOf(key)) ?? 0) ? [`attempt ${key} ran and is not known`] : []
  })
}

function checkWatchers({ watchers }: EndToCheck, runs: readonly SeenRun[]): readonly string[] {
  return watchers.flatMap((watcher) => {
    const run = runs.find(({ id }) => id === watcher.runId)
    if (!run) return []
    const faults = [...watcher.faults]
    const who = `who followed run ${run.id}`
    if (watcher.final !== run.state) faults.push(`${who} saw it end ${watcher.final}; it is ${run.state}`)
    const read = watcher.log
    const same =
      watcher.attempt === run.attempt || run.log === ''
        ? run.log === read || (watcher.wasToldOfMissing && run.log.startsWith(read))
        : false
    // An attempt that has printed nothing leaves what was read of the one before.
    if (!same && run.log !== '')
      faults.push(`${who} read ${brief(read)} of attempt ${watcher.attempt}; the log is ${brief(run.log)}`)
    return faults
  })
}

/** What a node brings of an attempt that counts no more is refused. */
async function checkStale({ scene }: EndToCheck): Promise<readonly string[]> {
  const faults: string[] = []
  for (const [key, before] of scene.stale) {
    const now = await keptOf(scene.cluster.storeDir, runOf(key), attemptOf(key))
    if (now.logBytes > before.logBytes)
      faults.push(
        `the log of attempt ${key} grew from ${before.logBytes} to ${now.logBytes} when it counted no more`,
      )
    if (now.outputs && !before.outputs) faults.push(`outputs of attempt ${key} came when it counted no more`)
  }
  return faults
}

async function askAgain({ channel, scene, submissions, runIds }: EndToCheck): Promise<readonly string[]> {
  const again = await Promise.all(submissions.map((one) => submitUntilAnswered(channel, one, scene.signal)))
  return again.flatMap(({ runId, repeated }, index) =>
    runId === runIds[index] && repeated
      ? []
      : [`request ${submissions[index]?.requestId} was answered ${runIds[index]}, later ${runId}`],
  )
}

/** All three are there, and neither they nor anybody else thinks that they hold anything. */
async function checkNodes({ channel, scene }: EndToCheck): Promise<readonly string[]> {
  const { signal, cluster } = scene
  const { nodes } = await untilAnswered(() => channel.call(nodesMethod, {}, { deadlineMs, signal }), signal)
  const held = nodes.flatMap(({ runIds }) => runIds)
  const faults = cluster.machines.flatMap((machine) => {
    const left = [...machine.processes().keys()]
    return left.length > 0 ? [`${machine.name} still has processes of ${left.join(' ')}`] : []
  })
  if (nodes.length !== cluster.machines.length || held.length > 0)
    faults.push(`there are ${nodes.length} nodes, which hold the runs ${held.join(' ')}`)
  return faults
}
