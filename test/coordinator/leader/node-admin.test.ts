import test from 'ava'
import type { RpcError } from '../../../common/errors.js'
import type { Leader } from '../../../coordinator/leader.js'
import { Agent, oneNode } from './fake-agent.js'
import { attempt, ended, gpus, inventory, resumable, root, saved, settle, submit, World } from './harness.js'

async function twoNodes(world = new World()) {
  const leader = world.lead()
  const [one, two] = [
    new Agent('n1', inventory({ gpus: gpus(1, 'Tesla T4', 'A') })),
    new Agent('n2', inventory({ gpus: gpus(1, 'Tesla T4', 'B') })),
  ]
  await one.connect(leader)
  await two.connect(leader)
  return { world, leader, one, two }
}

const t4 = { machine: { kind: 'type', name: 'T4' } } as const

async function nodeOf(leader: Leader, id: string) {
  return (await leader.nodes()).find((node) => node.id === id)
}

test('a cordoned node gets no new runs, keeps those it has, and a waiting run says why', async (t) => {
  const { world, leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  await leader.nodeAdmin.cordon(root, 'n1', 'disk swap')
  await submit(leader)
  await settle()
  t.deepEqual(agent.started, ['1.1'])
  t.is(
    (await leader.run(2)).reason,
    'Every node that could give a CPU machine gets no new runs: n1 is cordoned by root (disk swap); it starts when one is uncordoned',
  )
  await agent.connect(leader)
  t.like((await nodeOf(leader, 'n1'))?.cordon, { kind: 'person', reason: 'disk swap', by: 'root' })
  const next = world.lead()
  await agent.connect(next)
  t.is((await next.run(1)).state, 'running')
  t.is((await next.run(2)).state, 'machine_requested')
  await next.nodeAdmin.uncordon('n1')
  await settle()
  t.deepEqual(agent.started, ['2.1'])
})

test('a drained node with --stop has its runs stopped and saved, with the reason', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  const { runs, node } = await leader.nodeAdmin.drain(root, 'n1', { reason: '', stop: true })
  t.is(node.cordon?.kind, 'drain')
  t.like(runs[0], { runId: 1, state: 'stopping', holds: true, current: true })
  t.like(agent.orders.at(-1), { wanted: 'stop_and_save' })
  await agent.report(attempt(1), ended({ endedBy: 'stop' }), { released: true })
  t.like((await leader.nodeAdmin.get('n1')).runs[0], { state: 'saving', holds: false })
  await agent.report(attempt(1), saved())
  await agent.report(attempt(1), { kind: 'finished' })
  t.like(await leader.run(1), { state: 'stopped', reason: 'Its machine n1 was drained by root' })
  t.deepEqual((await leader.nodeAdmin.get('n1')).runs, [])
})

test('a node is not removed while it is connected, nor while it is away with runs', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  const remove = (lost: boolean) => leader.nodeAdmin.remove(root, 'n1', { lost })
  t.regex(
    (await t.throwsAsync<RpcError>(remove(false)))?.message ?? '',
    /n1 is connected\. Drain it .*remove it then/,
  )
  t.regex((await t.throwsAsync<RpcError>(remove(true)))?.message ?? '', /is connected, so it is not lost/)
  agent.disconnect()
  t.regex(
    (await t.throwsAsync<RpcError>(remove(false)))?.message ?? '',
    /is away and has runs: 1\. .*spell node remove n1 --lost/,
  )
})

test('a removed node is gone, and its certificate is refused, also by the next leader', async (t) => {
  const { world, leader, one } = await twoNodes()
  await submit(leader, t4)
  await settle()
  await one.finish(attempt(1))
  one.disconnect()
  await leader.nodeAdmin.remove(root, 'n1', { lost: false })
  t.is(await nodeOf(leader, 'n1'), undefined)
  one.open(leader)
  const hello = () => one.session?.hello(one.hello())
  t.throws(hello, { message: 'Node n1 (n1) was removed from the cluster; its machine may join anew.' })
  const next = world.lead()
  one.open(next)
  t.throws(hello, { message: /was removed/ })
  t.is((await next.nodes()).length, 1)
})

test('of a lost node runs are interrupted at once, replaceable ones repeated, and it may not get new ones', async (t) => {
  const world = new World()
  const leader = world.lead()
  const one = new Agent('n1', inventory({ gpus: gpus(2, 'Tesla T4', 'A') }))
  const two = new Agent('n2', inventory({ gpus: gpus(1, 'Tesla T4', 'B') }))
  await one.connect(leader)
  await submit(leader, { ...t4, ...resumable })
  await submit(leader)
  await settle()
  await two.connect(leader)
  const first = [...one.held.keys()]
  t.deepEqual(first, ['1.1', '2.1'])
  await one.reach(attempt(1), 'running')
  await one.reach(attempt(2), 'running')
  one.disconnect()
  t.like(await leader.nodeAdmin.remove(root, 'n1', { lost: true }), {
    interruptedRunIds: [2],
    repeatedRunIds: [1],
  })
  await settle()
  t.deepEqual(two.started, ['1.2'])
  t.like(await leader.run(2), { state: 'interrupted', reason: 'Its machine n1 was given up by root' })
  t.true((await nodeOf(leader, 'n1'))?.givenUp)
  const next = world.lead()
  await two.connect(next)
  await one.connect(next)
  t.deepEqual(
    one.verdicts.map(({ id, wanted }) => [id.runId, wanted]),
    [
      [1, 'kill'],
      [2, 'stop_and_save'],
    ],
  )
  await submit(next)
  await settle()
  t.deepEqual(one.started, [])
})

test('a lost node that returns brings its late outputs once, lets go of all, and is out', async (t) => {
  const { world, leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  await leader.nodeAdmin.remove(root, 'n1', { lost: true })
  await agent.connect(leader)
  await agent.finish(attempt(1))
  t.like(await leader.run(1), { state: 'interrupted', manifestSha256: 'abc' })
  t.deepEqual((await leader.run(1)).notes, ['outputs arrived after the run was interrupted'])
  t.true((await nodeOf(leader, 'n1'))?.givenUp)
  await agent.forget()
  await world.clock.advance(1_000)
  await settle()
  t.is(await nodeOf(leader, 'n1'), undefined)
  t.throws(() => agent.session?.heartbeat(1), { message: /not the one of its node/ })
  agent.open(leader)
  t.throws(() => agent.session?.hello(agent.hello()), { message: /was removed/ })
})

test('what a lost node held stays held until its machine was booted anew, or its GPU is in another', async (t) => {
  const { leader, one } = await twoNodes()
  for (const run of [1, 2]) {
    await submit(leader, t4)
    await settle()
    t.is((await leader.run(run)).state, 'machine_requested')
  }
  one.disconnect()
  await leader.nodeAdmin.remove(root, 'n1', { lost: true })
  const again = new Agent('n3', inventory({ gpus: gpus(1, 'Tesla T4', 'A') }))
  await again.connect(leader)
  t.is((await nodeOf(leader, 'n3'))?.gpus[0]?.heldByRunId, 1)
  again.disconnect()
  const elsewhere = new Agent('n4', inventory({ gpus: gpus(1, 'Tesla T4', 'A') }))
  elsewhere.machineId = 'another'
  await elsewhere.connect(leader)
  t.is(
    (await leader.nodes()).find(({ id }) => id === 'n4')?.gpus[0]?.heldByRunId,
    undefined,
    'the GPU was moved there',
  )
  again.bootId = 'boot-2'
  await again.connect(leader)
  t.is(await nodeOf(leader, 'n1'), undefined, 'nothing of it can run any more')
})

test('a node is found by name or id, and an unknown one names those that there are', async (t) => {
  const { leader } = await twoNodes()
  t.is((await leader.nodeAdmin.get('n2')).node.id, 'n2')
  await t.throwsAsync(leader.nodeAdmin.get('n9'), { message: 'There is no node "n9"; there is n1, n2.' })
})

test('labels stay over hellos and leaders', async (t) => {
  const { world, leader, one } = await twoNodes()
  await leader.nodeAdmin.setLabel('n1', { label: 'fast-disk', remove: false })
  await one.connect(leader)
  t.deepEqual((await nodeOf(world.lead(), 'n1'))?.labels, ['fast-disk'])
  await t.throwsAsync(leader.nodeAdmin.setLabel('n1', { label: 'x', remove: true }), {
    message: 'Node n1 has no label "x".',
  })
})

test('a node whose id is used by two machines is cordoned, and the second is refused while the first is there', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  const copy = new Agent('n1')
  copy.machineId = 'm2'
  copy.open(leader)
  const hello = () => copy.session?.hello(copy.hello())
  t.throws(hello, {
    message:
      'Node n1 (n1) is the machine m, which is connected; this is the machine m2. Join it as a node of its own.',
  })
  await settle()
  const cordon = { kind: 'cluster', reason: 'its id is used by two machines: m and m2', by: '' } as const
  t.like((await nodeOf(leader, 'n1'))?.cordon, cordon)
  agent.disconnect()
  t.throws(hello, { message: /m, which has runs that this one does not know/ })
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['keep'],
  )
  t.deepEqual(
    agent.received.flatMap((message) => (message.kind === 'hello' ? message.warnings : [])),
    ['It gets no new runs: its id is used by two machines: m and m2'],
  )
})

test('a machine whose system was made anew goes on as its node, cordoned until somebody has looked', async (t) => {
  const { leader, agent } = await oneNode()
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  agent.machineId = 'm2'
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['keep'],
  )
  t.is((await nodeOf(leader, 'n1'))?.cordon?.kind, 'cluster')
  await leader.nodeAdmin.uncordon('n1')
  await agent.connect(leader)
  t.is((await nodeOf(leader, 'n1'))?.cordon, undefined)
})
