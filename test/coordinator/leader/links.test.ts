import test from 'ava'
import type { RpcError } from '../../../common/errors.js'
import { Agent, oneNode } from './fake-agent.js'
import {
  ann,
  attempt,
  ended,
  failed,
  gpus,
  inventory,
  resumable,
  root,
  saved,
  settle,
  submit,
  World,
} from './harness.js'

test('absence never kills: a new leader, a lost link and a lost answer change nothing for the run', async (t) => {
  const { world, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  agent.session = undefined
  agent.tell(attempt(1), ended(), { released: true })
  agent.tell(attempt(1), saved())
  const next = world.lead()
  t.is((await next.run(1)).state, 'running')
  await agent.connect(next)
  t.deepEqual(
    agent.verdicts.map(({ wanted, lastAppliedReport }) => [wanted, lastAppliedReport]),
    [['keep', 1]],
  )
  t.deepEqual(agent.unanswered, [])
  t.is((await next.run(1)).state, 'pushing')
})

test('an order that got lost is given again after the reconnect', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  await submit(leader)
  await leader.steer('stop', ann, [1])
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['stop_and_save'],
  )
  t.deepEqual(agent.started, ['2.1'])
  agent.held.delete('2.1')
  await agent.connect(leader)
  t.deepEqual(agent.started, ['2.1'], 'never heard of, so it is started, not lost')
})

test('a node that comes back without a run has lost it', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.held.clear()
  agent.bootId = 'boot-2'
  await agent.connect(leader)
  t.like(await leader.run(1), {
    state: 'interrupted',
    reason: 'Its machine n1 was restarted and came back without the run',
  })
  t.is((await leader.nodes())[0]?.runIds.length, 0)
})

for (const when of ['when it is told', 'when its node was given up before'])
  test(`of an interrupted run it is known ${when} how much it had printed`, async (t) => {
    const world = new World()
    const leader = world.lead({ abandonAfterMs: 600_000 })
    const agent = new Agent('n1', inventory())
    await agent.connect(leader)
    await submit(leader)
    await settle()
    await agent.reach(attempt(1), 'running')
    if (when !== 'when it is told') {
      agent.disconnect()
      await world.clock.advance(601_000)
      await agent.connect(leader)
    }
    await agent.report(attempt(1), failed({ lost: true, reason: 'restarted', logBytes: 77 }))
    t.like(await leader.run(1), { state: 'interrupted', logBytes: 77 })
  })

test('a resumable run that was lost is repeated under its id, and the old attempt no longer counts', async (t) => {
  const world = new World()
  const leader = world.lead()
  const [one, two] = [
    new Agent('n1', inventory({ gpus: gpus(1) })),
    new Agent('n2', inventory({ gpus: gpus(1, 'Tesla T4', 'B') })),
  ]
  await one.connect(leader)
  await submit(leader, { ...resumable, machine: { kind: 'type', name: 'T4' } })
  await settle()
  t.like(one.held.get('1.1')?.assignment, { replaceable: true, lostAfterMs: 300_000 })
  await one.reach(attempt(1), 'running')
  await two.connect(leader)
  for (let second = 0; second < 299; second += 10) {
    await world.clock.advance(10_000)
    two.session?.heartbeat(second)
  }
  await settle()
  t.is((await leader.run(1)).attempt, 2)
  t.deepEqual(two.started, ['1.2'])
  t.is(
    (await leader.nodes()).find(({ id }) => id === 'n1')?.gpus[0]?.heldByRunId,
    1,
    'the old device stays held',
  )
  one.session?.reports([{ id: attempt(1), number: 2, durationMs: 0, released: false, event: ended() }])
  await settle()
  t.deepEqual(one.answers.at(-1), { id: attempt(1), number: 2, applied: false })
  await one.connect(leader)
  t.deepEqual(
    one.verdicts.map(({ wanted }) => wanted),
    ['kill'],
  )
  one.held.clear()
  await one.connect(leader)
  t.is((await leader.nodes()).find(({ id }) => id === 'n1')?.gpus[0]?.heldByRunId, undefined)
  await two.reach(attempt(1, 2), 'running')
  await two.finish(attempt(1, 2))
  t.like(await leader.run(1), { state: 'complete', attempt: 2 })
})

test('others are given up only where an admin said so; what the node brings later is noted', async (t) => {
  const world = new World()
  const leader = world.lead({ abandonAfterMs: 600_000 })
  const agent = new Agent('n1', inventory({ gpus: gpus(1) }))
  await agent.connect(leader)
  await submit(leader, { machine: { kind: 'type', name: 'T4' } })
  await settle()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  await world.clock.advance(601_000)
  t.like(await leader.run(1), { state: 'interrupted', reason: 'Its machine n1 was not heard for 10 min' })
  t.is((await leader.nodes())[0]?.gpus[0]?.heldByRunId, 1)
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['stop_and_save'],
  )
  await agent.finish(attempt(1))
  const run = await leader.run(1)
  t.like(run, { state: 'interrupted', manifestSha256: 'abc' })
  t.deepEqual(run.notes, ['outputs arrived after the run was interrupted'])
  t.deepEqual(agent.unanswered, [])
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['forget'],
  )
})

test('a kill of a run on an unreachable node is recorded at once and carried out when it returns', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  await leader.steer('kill', ann, [1])
  t.is((await leader.run(1)).state, 'killing')
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['kill'],
  )
})

test('a node’s newer link takes over, the older one is heard no more', async (t) => {
  const { leader, agent } = await oneNode()
  const old = agent.session
  await agent.connect(leader)
  t.throws(() => old?.heartbeat(1), { message: /not the one of its node/ })
  old?.detach()
  t.true((await leader.nodes())[0]?.connected)
  agent.disconnect()
  t.false((await leader.nodes())[0]?.connected)
})

test('after a restored backup: unknown attempts are adopted, no id is given until repaired', async (t) => {
  const { world, leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  const backup = new Map(world.queue.stored)
  await submit(leader)
  await submit(leader)
  await settle()
  await agent.reach(attempt(3), 'building')
  await agent.reach(attempt(3), 'running')
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  const restored = world.lead()
  t.is(restored.newestRunId(), 1)
  await agent.connect(restored)
  t.deepEqual(
    agent.verdicts.map(({ id, wanted }) => [id.runId, wanted]),
    [
      [1, 'keep'],
      [2, 'describe'],
      [3, 'describe'],
    ],
  )
  const error = await t.throwsAsync(submit(restored))
  t.is((error as RpcError).code, 'FAILED_PRECONDITION')
  t.regex(error?.message ?? '', /node n1 has seen run 3.*spell cluster repair/)
  agent.tell(attempt(3), ended(), { released: true })
  for (const id of [2, 3])
    agent.session?.described(agent.held.get(`${id}.1`)?.assignment ?? (t.fail() as never))
  await settle()
  t.like(await restored.run(2), { state: 'building', creator: 'ann', nodeId: 'n1' })
  t.like(await restored.run(3), { state: 'saving', exitCode: 0 })
  t.deepEqual(agent.unanswered, [])
  t.like(await restored.keeping.repair({ force: false }), { before: 1, counter: 3, restored: false })
  t.is(await submit(restored), 4)
})

test('runs that were taken over keep the next leader from giving their ids, with or without their node', async (t) => {
  const { world, leader, agent } = await oneNode()
  const backup = new Map(world.queue.stored)
  await submit(leader)
  await settle()
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  await agent.connect(world.lead())
  agent.session?.described(agent.held.get('2.1')?.assignment ?? (t.fail() as never))
  await settle()
  await t.throwsAsync(submit(world.lead()), { message: /etcd itself has seen run 2/ })
})

test('after a restored backup nothing is placed on a node before all that it runs was described', async (t) => {
  const world = new World()
  const leader = world.lead()
  const agent = new Agent('n1', inventory({ gpus: gpus(1) }))
  await agent.connect(leader)
  const gpu = { machine: { kind: 'type', name: 'T4' } } as const
  for (let run = 1; run <= 3; run += 1) await submit(leader, gpu)
  await settle()
  await agent.reach(attempt(1), 'running')
  const backup = new Map(world.queue.stored)
  await agent.finish(attempt(1))
  await agent.forget()
  await settle()
  t.deepEqual([...agent.held.keys()], ['2.1'])
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  const restored = world.lead()
  await agent.connect(restored)
  t.deepEqual(agent.started, [])
  t.is((await restored.run(2)).nodeId, undefined)
  agent.session?.described(agent.held.get('2.1')?.assignment ?? (t.fail() as never))
  await settle()
  t.like(await restored.run(2), { state: 'building', nodeId: 'n1' })
  t.deepEqual(agent.started, [])
  agent.tell(attempt(2), ended(), { released: true })
  await settle()
  t.deepEqual(agent.started, ['3.1'])
})

test('lines about a run reach its watchers and the log’s keeper, other runs’ don’t', async (t) => {
  const { world, leader, agent } = await oneNode()
  const seen: unknown[] = []
  const unwatch = leader.watch(1, (event) => event.kind === 'line' && seen.push(event.line.text))
  const line = { id: attempt(1), text: 'Pulling', verbose: true, error: false }
  agent.session?.lines([line, { ...line, id: attempt(2) }])
  t.deepEqual(seen, ['Pulling'])
  t.deepEqual(world.lines, [line])
  unwatch()
  agent.session?.lines([line])
  t.is(seen.length, 1)
})

test('a watcher hears when its run moves up the queue or its node falls silent', async (t) => {
  const { world, leader, agent } = await oneNode({ offered: { cpus: 2 }, runs: 3 })
  const places: number[] = []
  leader.watch(3, (event) => event.kind === 'run' && places.push(event.run.queuePosition))
  const silent: number[] = []
  leader.watch(1, (event) => event.kind === 'run' && silent.push(event.run.nodeUnreachableMs))
  await world.clock.advance(1_000)
  await leader.steer('kill', ann, [2])
  await world.clock.advance(1_000)
  t.deepEqual(places, [2, 1])
  await world.clock.advance(70_000)
  t.true(silent.filter((ms) => ms > 0).length <= 3 && silent.some((ms) => ms > 10_000))
  t.truthy(agent)
  t.deepEqual((await leader.steer('kill', root, [1, 3])).done, [1, 3])
})
