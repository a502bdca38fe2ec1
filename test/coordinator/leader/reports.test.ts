import test from 'ava'
import type { RpcError } from '../../../common/errors.js'
import type { RunView } from '../../../coordinator/core/records.js'
import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import { Agent, oneNode } from './fake-agent.js'
import { ann, attempt, ended, failed, gpus, inventory, saved, settle, submit, World } from './harness.js'

test('a run from assignment to its end, every state dated and measured', async (t) => {
  const { world, leader, agent } = await oneNode()
  t.deepEqual(agent.started, ['1.1'])
  t.like(agent.held.get('1.1')?.assignment, {
    creator: 'ann',
    cpus: 2,
    memoryBytes: 8e9,
    graceMs: 60_000,
    replaceable: false,
  })
  const seen: string[] = []
  leader.watch(1, (event) => event.kind === 'run' && seen.push(event.run.state))
  await world.clock.advance(500)
  for (const state of ['building', 'mounting', 'running'] as const) await agent.reach(attempt(1), state)
  agent.tell(attempt(1), ended({ exitCode: 3, outOfMemory: true }), { released: true, durationMs: 77 })
  agent.tell(attempt(1), saved('m'))
  agent.tell(attempt(1), { kind: 'finished' })
  await settle()
  t.deepEqual(agent.unanswered, [])
  const run = await leader.run(1)
  t.like(run, {
    state: 'complete',
    exitCode: 3,
    outOfMemory: true,
    manifestSha256: 'm',
    savedFiles: 1,
    logBytes: 3,
    nodeName: 'n1',
  })
  t.deepEqual(
    run.states.map(({ state, durationMs }) => [state, durationMs]),
    [
      ['machine_requested', 500],
      ['building', 5],
      ['mounting', 5],
      ['running', 77],
      ['saving', 5],
      ['pushing', 5],
      ['complete', 0],
    ],
  )
  t.is(seen.at(-1), 'complete')
  t.deepEqual((await world.lead().run(1)).states, run.states)
})

test('orders, answers and news wait for the commit', async (t) => {
  const { world, leader, agent } = await oneNode()
  world.queue.hold()
  const seen: RunView[] = []
  leader.watch(1, (event) => event.kind === 'run' && seen.push(event.run))
  agent.tell(attempt(1), { kind: 'reached', state: 'building', dockerImageDigest: undefined })
  void leader.steer('kill', ann, [1])
  await settle()
  t.is(agent.answers.length, 0)
  t.deepEqual(
    agent.orders.map(({ wanted }) => wanted),
    ['start'],
  )
  t.is(seen.length, 0)
  world.queue.release()
  await settle()
  t.is(agent.answers.length, 1)
  t.deepEqual(
    agent.orders.map(({ wanted }) => wanted),
    ['start', 'kill'],
  )
  t.deepEqual(
    seen.map(({ state }) => state),
    ['building', 'killing'],
  )
})

test('stop saves, kill does not', async (t) => {
  const { leader, agent } = await oneNode({ runs: 2 })
  for (const id of [1, 2]) await agent.reach(attempt(id), 'running')
  await leader.steer('stop', ann, [1])
  await leader.steer('kill', ann, [2])
  await settle()
  t.deepEqual(
    agent.orders.slice(2).map(({ id, wanted }) => [id.runId, wanted]),
    [
      [1, 'stop_and_save'],
      [2, 'kill'],
    ],
  )
  agent.tell(attempt(1), ended({ endedBy: 'stop', exitCode: 143 }), { released: true })
  agent.tell(attempt(1), saved())
  agent.tell(attempt(1), { kind: 'finished' })
  agent.tell(attempt(2), failed({ killed: true }), { released: true })
  await settle()
  t.like(await leader.run(1), {
    ...{ state: 'stopped', manifestSha256: 'abc', exitCode: 143, reason: `Stopped by ${ann.name}` },
  })
  t.like(await leader.run(2), { state: 'killed', manifestSha256: undefined, reason: `Killed by ${ann.name}` })
  t.deepEqual((await leader.steer('kill', ann, [1, 2])).alreadyFinished, [1, 2])
})

test('a timeout ends as Stopped; failures name their step', async (t) => {
  const { leader, agent } = await oneNode({ runs: 4 })
  for (const id of [1, 2, 3, 4]) await agent.reach(attempt(id), 'building')
  agent.tell(attempt(1), { kind: 'reached', state: 'running', dockerImageDigest: 'sha256:1' })
  agent.tell(attempt(1), ended({ endedBy: 'timeout', reason: 'its 2 minutes were over' }), { released: true })
  agent.tell(attempt(1), saved())
  agent.tell(attempt(1), { kind: 'finished' })
  agent.tell(attempt(2), failed({ step: 'building', reason: 'no such image' }), { released: true })
  agent.tell(attempt(3), failed({ step: 'mounting' }), { released: true })
  agent.tell(attempt(4), { kind: 'reached', state: 'running', dockerImageDigest: undefined })
  agent.tell(attempt(4), failed({ step: 'running' }), { released: true })
  await settle()
  t.like(await leader.run(1), {
    state: 'stopped',
    reason: 'its 2 minutes were over',
    dockerImageDigest: 'sha256:1',
  })
  t.like(await leader.run(2), { state: 'build_failed', failedStep: 'building', reason: 'no such image' })
  t.like(await leader.run(3), { state: 'mount_failed' })
  t.like(await leader.run(4), { state: 'failed' })
})

test('a report is applied once, answered as often as it comes; a missing number ends the link', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'building')
  const report = {
    id: attempt(1),
    number: 1,
    durationMs: 0,
    released: false,
    event: { kind: 'finished' },
  } as const
  agent.session?.reports([report])
  await settle()
  t.deepEqual(agent.answers, [
    { id: attempt(1), number: 1, applied: true },
    { id: attempt(1), number: 1, applied: true },
  ])
  t.is((await leader.run(1)).state, 'building')
  t.throws(() => agent.session?.reports([{ ...report, number: 3 }]), {
    message: /Report 3 .* where 2 was due/,
  })
  agent.session?.reports([{ ...report, id: attempt(1, 2), number: 1 }])
  await settle()
  t.deepEqual(agent.answers.at(-1), { id: attempt(1, 2), number: 1, applied: false })
  t.is((await leader.run(1)).state, 'building')
})

test('another node speaks for no run but its own', async (t) => {
  const { leader } = await oneNode()
  const other = new Agent('n2')
  await other.connect(leader)
  other.session?.reports([
    { id: attempt(1), number: 1, durationMs: 0, released: true, event: { kind: 'finished' } },
  ])
  await settle()
  t.deepEqual(other.answers, [{ id: attempt(1), number: 1, applied: false }])
  t.like(await leader.run(1), { state: 'machine_requested', nodeId: 'n1' })
  t.true(leader.isCurrentAttempt(attempt(1), 'n1'))
  t.false(leader.isCurrentAttempt(attempt(1), 'n2'))
  const liar = new Agent('n3')
  liar.open(leader)
  t.is(
    (t.throws(() => liar.session?.hello({ ...liar.hello(), nodeId: 'n1' })) as RpcError).code,
    'PERMISSION_DENIED',
  )
  for (const schemaVersion of [0, 3, 9]) {
    const odd = t.throws(() => liar.session?.hello({ ...liar.hello(), schemaVersion }), {
      message: /speaks 1/,
    })
    t.is((odd as RpcError).code, 'FAILED_PRECONDITION')
  }
  t.notThrows(() => liar.session?.hello({ ...liar.hello(), schemaVersion: 2 }), 'a neighbouring version')
})

test('devices are free when their agent says so, not when the run has ended', async (t) => {
  const world = new World()
  const leader = world.lead()
  const agent = new Agent('n1', inventory({ gpus: gpus(1) }))
  await agent.connect(leader)
  const machine = { kind: 'type', name: 'T4' } as const
  for (const _ of [1, 2]) await submit(leader, { machine })
  await settle()
  t.deepEqual(agent.started, ['1.1'])
  t.regex((await leader.run(2)).reason, /it starts when run 1 ends/)
  await agent.reach(attempt(1), 'running')
  await leader.steer('kill', ann, [1])
  await agent.report(attempt(1), failed({ killed: true }))
  t.is((await leader.run(1)).state, 'killed')
  t.deepEqual(agent.started, ['1.1'], 'killed, but its agent has not said that the device is free')
  t.is((await leader.nodes())[0]?.gpus[0]?.heldByRunId, 1)
  const held = agent.held.get('1.1')
  if (held) held.released = true
  await agent.connect(leader)
  t.deepEqual(agent.started, ['2.1'])
})

test('nothing is placed on a node before its hello to this leader', async (t) => {
  const { world, agent } = await oneNode({ runs: 0 })
  const next = world.lead()
  await submit(next)
  await settle()
  t.is((await next.run(1)).nodeId, undefined)
  t.regex((await next.run(1)).reason, /n1 it has not said hello|n1 has not said hello/)
  await agent.connect(next)
  t.is((await next.run(1)).nodeId, 'n1')
})

test('a silent node gets no runs, keeps what it has, and is used again once it is heard', async (t) => {
  const { world, leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  await world.clock.advance(4 * 60_000)
  await submit(leader)
  await settle()
  t.deepEqual(agent.started, ['1.1'])
  t.like(await leader.run(1), { state: 'running', nodeUnreachableMs: 240_000 })
  t.is((await leader.nodes())[0]?.gpus.length, 0)
  agent.session?.heartbeat(7)
  await settle()
  t.deepEqual(agent.received.at(-2), { kind: 'heartbeat', sequence: 7 })
  t.deepEqual(agent.started, ['1.1', '2.1'])
  t.is((await leader.run(1)).nodeUnreachableMs, 0)
})

test('the default patience is 10 s of silence and 5 min before a repeat', (t) => {
  t.like(defaultLeaderSettings, { suspectAfterMs: 10_000, lostAfterMs: 300_000, abandonAfterMs: undefined })
})

test('heartbeats and reports are taken only while leading', async (t) => {
  const { world, agent } = await oneNode()
  world.leads = false
  t.throws(() => agent.session?.heartbeat(1), { message: /does not lead/ })
  t.throws(() => agent.session?.reports([]), { message: /does not lead/ })
  world.leads = true
  const count = agent.answers.length
  agent.tell(attempt(1), { kind: 'reached', state: 'building', dockerImageDigest: undefined })
  world.leads = false
  await settle()
  t.is(agent.answers.length, count, 'looked at again before the answer')
})
