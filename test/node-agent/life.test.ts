import test, { type ExecutionContext } from 'ava'
import { type Assignment, attemptKey, type ReportEvent } from '../../proto/model/attempt.js'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { AgentInside } from './fixtures/agent-inside.js'
import { assignmentOf, specOf } from './fixtures/assignments.js'
import type { FakeLeader } from './fixtures/fake-leader.js'
import { makeNode, type Teardown, type TestNode } from './fixtures/node.js'

type Runtime = 'dummy' | 'process'

async function startNode(t: Teardown, runtime: Runtime, more: object = {}): Promise<TestNode<AgentInside>> {
  const node = await makeNode(t, { runtime, ...more })
  node.agent.start()
  await node.leader.until(() => node.leader.hellos.length >= 1)
  return node
}

function finalEvent(leader: FakeLeader, assignment: Assignment): ReportEvent | undefined {
  return leader.reportsOf(assignment.id).at(-1)?.event
}

interface Case {
  readonly command: string
  readonly spec?: Partial<RunSpec>
  readonly assignment?: Partial<Assignment>
  /** Done when the run runs. */
  readonly meanwhile?: (leader: FakeLeader, assignment: Assignment) => void
  readonly story: string
  readonly last?: Partial<Record<string, unknown>>
  readonly ended?: Partial<Record<string, unknown>>
  readonly log?: string | RegExp
  readonly outputs?: Readonly<Record<string, string>>
  readonly settings?: object
}

const whole = 'building running ended saved finished'
const limits = specOf('').limits

/** One for all cases that need no settings of their own: each has a run of its own there. */
const nodes = new Map<Runtime, Promise<TestNode<AgentInside>>>()
const cleanups: (() => Promise<void>)[] = []
test.after.always(async () => {
  for (const cleanup of cleanups) await cleanup()
})
let runs = 0

function nodeFor(runtime: Runtime): Promise<TestNode<AgentInside>> {
  const known = nodes.get(runtime) ?? startNode({ teardown: (action) => cleanups.push(action) }, runtime)
  nodes.set(runtime, known)
  return known
}

const reached = test.macro(async (t: ExecutionContext, runtime: Runtime, its: Case) => {
  const { leader } = its.settings ? await startNode(t, runtime, its.settings) : await nodeFor(runtime)
  const more = { spec: specOf(its.command, its.spec), ...its.assignment }
  const assignment = assignmentOf(++runs, its.command, more)
  const { id } = assignment
  const key = attemptKey(id)
  const log = () => leader.logs.get(key)?.toString() ?? ''
  leader.start(assignment)
  if (its.meanwhile) {
    await leader.until(() => leader.story(id).includes('running'))
    if (its.command.includes('echo ready')) await leader.until(() => log().startsWith('ready\n'))
    its.meanwhile(leader, assignment)
  }
  await leader.until(() => leader.forgotten.includes(key))
  t.is(leader.story(id), its.story)
  if (its.last) t.like(finalEvent(leader, assignment), its.last)
  const reports = leader.reportsOf(id)
  const ended = reports.find(({ event }) => event.kind === 'ended')
  if (its.ended) t.like(ended?.event, its.ended)
  const end = reports.findIndex(({ event }) => event.kind === 'ended' || event.kind === 'failed')
  t.true(
    reports.every(({ released }, index) => released === index >= end),
    'released from the end of the command on',
  )
  if (typeof its.log === 'string') t.is(log(), its.log)
  if (its.log instanceof RegExp) t.regex(log(), its.log)
  const outputs = [...(leader.outputs.get(key) ?? [])].map(([path, bytes]) => [path, bytes.toString()])
  t.deepEqual(Object.fromEntries(outputs), its.outputs ?? {})
})

const stop = (leader: FakeLeader, { id }: Assignment) =>
  leader.order({ id, wanted: 'stop_and_save', reason: 'stopped by ada' })
const kill = (leader: FakeLeader, { id }: Assignment) =>
  leader.order({ id, wanted: 'kill', reason: 'killed by ada' })

test('a command that ends by itself', reached, 'dummy', {
  command: 'echo hello; write model.txt weights; exit 3',
  story: whole,
  ended: { exitCode: 3, endedBy: 'itself', logBytes: 6, outOfMemory: false },
  log: 'hello\n',
  outputs: { 'model.txt': 'weights' },
})
test('as a process: a command that ends by itself', reached, 'process', {
  command: 'echo hello; printf weights > model.txt; exit 3',
  story: whole,
  ended: { exitCode: 3, endedBy: 'itself', logBytes: 6 },
  log: 'hello\n',
  outputs: { 'model.txt': 'weights' },
})
test('out of memory stands beside the exit code', reached, 'dummy', {
  command: 'out-of-memory',
  story: whole,
  assignment: { memoryBytes: 8_000_000_000 },
  ended: {
    exitCode: 137,
    outOfMemory: true,
    reason: 'A process was killed because the run wanted more than its 8 GB of memory',
  },
})
test('an image that does not exist', reached, 'dummy', {
  command: 'fail-to-prepare',
  story: 'building failed',
  last: {
    kind: 'failed',
    step: 'building',
    killed: false,
    lost: false,
    reason: 'The image  does not exist, as the command asked.',
  },
})
test('a command that does not start', reached, 'dummy', {
  command: 'fail-to-start',
  story: 'building failed',
  last: { kind: 'failed', step: 'running', killed: false, lost: false },
})
test('stop waits for the command to save', reached, 'dummy', {
  command: 'trap 0.2 ckpt whole; echo ready; sleep infinity',
  meanwhile: stop,
  story: whole,
  ended: { exitCode: 0, endedBy: 'stop', reason: 'stopped by ada' },
  log: 'ready\nsaved ckpt\n',
  outputs: { ckpt: 'whole' },
})
test('as a process: stop waits for the command to save', reached, 'process', {
  command: `trap 'sleep 0.2; echo whole > ckpt; echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done; echo after`,
  meanwhile: stop,
  story: whole,
  ended: { endedBy: 'stop', exitCode: 0 },
  log: /^ready\n(Terminated\n)?saved\n$/,
  outputs: { ckpt: 'whole\n' },
})
test('a command that ignores the graceful signal is killed after its grace, and saved', reached, 'dummy', {
  command: 'ignore-term; write part some; sleep infinity',
  assignment: { graceMs: 300 },
  meanwhile: stop,
  story: whole,
  ended: { exitCode: 137, endedBy: 'stop' },
  outputs: { part: 'some' },
})
test(
  'as a process: a command that ignores the graceful signal is killed after its grace, and saved',
  reached,
  'process',
  {
    command: `trap '' TERM; echo some > part; echo ready; sleep 60`,
    assignment: { graceMs: 300 },
    meanwhile: stop,
    story: whole,
    ended: { exitCode: 137, endedBy: 'stop' },
    // bash tells of its child's end where that comes first.
    log: /^ready\n(Killed\n)?$/,
    outputs: { part: 'some\n' },
  },
)
test('kill saves nothing', reached, 'dummy', {
  command: 'write part some; sleep infinity',
  meanwhile: kill,
  story: 'building running failed',
  last: { killed: true, lost: false, reason: 'killed by ada' },
})
test('as a process: kill saves nothing', reached, 'process', {
  command: `trap '' TERM; echo some > part; echo ready; sleep 60`,
  meanwhile: kill,
  story: 'building running failed',
  last: { killed: true, lost: false, reason: 'killed by ada' },
  // bash tells of its child's end where that comes first.
  log: /^ready\n(Killed\n)?$/,
})
test('kill during the grace of a stop', reached, 'dummy', {
  command: 'ignore-term; sleep infinity',
  assignment: { graceMs: 3_600_000 },
  meanwhile: (leader, assignment) => {
    stop(leader, assignment)
    stop(leader, assignment)
    kill(leader, assignment)
    kill(leader, assignment)
  },
  story: 'building running failed',
  last: { killed: true },
})
test('a timeout stops and saves', reached, 'dummy', {
  command: 'trap 0.1 ckpt whole; sleep infinity',
  spec: { limits: { ...limits, timeoutMs: 300 } },
  story: whole,
  ended: { endedBy: 'timeout', reason: 'The run reached its timeout of 0.3 s.' },
  outputs: { ckpt: 'whole' },
})
test('as a process: a timeout stops and saves', reached, 'process', {
  command: `trap 'echo whole > ckpt; exit 4' TERM; sleep 60 & wait`,
  spec: { limits: { ...limits, timeoutMs: 400 } },
  story: whole,
  ended: { endedBy: 'timeout' },
  outputs: { ckpt: 'whole\n' },
})
test('as a process: a run over its disk limit is stopped and saved', reached, 'process', {
  command: 'head -c 3000000 /dev/zero > big; sleep 60',
  assignment: { diskBytes: 1_000_000, graceMs: 1_000 },
  settings: { diskCheckMs: 50 },
  meanwhile: () => undefined,
  story: whole,
  ended: { endedBy: 'disk_limit' },
  outputs: { big: '\0'.repeat(3_000_000) },
})
test('as a process: a run that takes /spell away has nothing to save', reached, 'process', {
  command: 'rm -rf "$PWD"',
  story: whole,
  ended: { exitCode: 0 },
})
test('as a process: a log is cut at its limit, with a mark', reached, 'process', {
  command: `head -c 300000 /dev/zero | tr '\\0' x`,
  assignment: { logLimitBytes: 100_000 },
  story: whole,
  log: `${'x'.repeat(100_000)}\n[spell] This log reached its limit of 100000 bytes. What the run printed after that was not kept.\n`,
})
test('what is printed to the last byte of the limit needs no mark', reached, 'dummy', {
  command: `echo ${'y'.repeat(999)}`,
  assignment: { logLimitBytes: 1_000 },
  story: whole,
  log: `${'y'.repeat(999)}\n`,
})
test('as a process: the environment is the written list and nothing of the agent', reached, 'process', {
  command:
    'env | grep -v -e ^PATH= -e ^HOME= -e ^USER= -e ^SHLVL= -e ^PWD= -e ^_= -e ^OLDPWD= -e ^SPELL_TASK | sed "s/^\\(SPELL_RUN.*\\)=[0-9]*/\\1=N/" | sort',
  spec: {
    env: [
      { name: 'MINE', value: 'a b=c' },
      { name: 'NVIDIA_VISIBLE_DEVICES', value: 'all' },
      { name: 'TZ', value: 'Asia/Tokyo' },
    ],
  },
  story: whole,
  log: 'CUDA_VISIBLE_DEVICES=\nLANG=C.UTF-8\nMINE=a b=c\nNVIDIA_VISIBLE_DEVICES=void\nPYTHONUNBUFFERED=1\nSPELL_RUN=N\nSPELL_RUN_ID=N\nTZ=Asia/Tokyo\n',
})

test('a stop before the command runs is a kill', async (t) => {
  const { leader } = await startNode(t, 'dummy')
  const assignment = assignmentOf(7, 'sleep infinity')
  const order = { assignment: undefined, lastAppliedReport: 0, reason: '' }
  leader.send({
    kind: 'orders',
    orders: [
      { ...order, id: assignment.id, wanted: 'start', assignment },
      { ...order, id: assignment.id, wanted: 'stop_and_save', reason: 'stopped by ada' },
    ],
  })
  await leader.until(() => leader.forgotten.includes('7.1'))
  t.like(finalEvent(leader, assignment), { kind: 'failed', killed: true, reason: 'stopped by ada' })
  t.notRegex(leader.story(assignment.id), /running/)
})

test('while the store is away saving waits and says so, then goes on', async (t) => {
  const { leader } = await startNode(t, 'dummy')
  leader.storeIsAway = true
  const assignment = assignmentOf(7, 'write model weights')
  leader.start(assignment)
  await leader.until(() => leader.lines.some(({ text }) => text.startsWith('Saving waits')))
  await leader.until(() => leader.story(assignment.id) === 'building running ended')
  leader.storeIsAway = false
  await leader.until(() => leader.forgotten.includes('7.1'))
  t.is(leader.outputs.get('7.1')?.get('model')?.toString(), 'weights')
})

test('a kill while saving waits for the store ends it', async (t) => {
  const { leader } = await startNode(t, 'dummy')
  leader.storeIsAway = true
  const assignment = assignmentOf(7, 'write model weights')
  leader.start(assignment)
  await leader.until(() => leader.lines.some(({ text }) => text.startsWith('Saving waits')))
  kill(leader, assignment)
  await leader.until(() => leader.forgotten.includes('7.1'))
  t.is(leader.story(assignment.id), 'building running ended failed')
  t.like(finalEvent(leader, assignment), { step: 'saving', killed: true })
})

test('a hundred runs at once', async (t) => {
  const { leader } = await startNode(t, 'dummy')
  const all = Array.from({ length: 100 }, (_, index) =>
    assignmentOf(index + 1, `echo run ${index + 1}; sleep 0.2`),
  )
  for (const assignment of all) leader.start(assignment)
  await leader.until(() => leader.forgotten.length === 100)
  for (const { id } of all) {
    t.is(leader.story(id), whole)
    t.is(leader.logs.get(`${id.runId}.1`)?.toString(), `run ${id.runId}\n`)
  }
})
