import test from 'ava'
import { Agent } from './fake-agent.js'
import { ann, attempt, ended, gpus, inventory, settle, submit, World } from './harness.js'

// etcd comes back from a backup in which run 1 waits; node n1 runs it, and holds its only GPU for it.

const onGpu = { machine: { kind: 'type', name: 'T4' } } as const

async function restoredWorld() {
  const world = new World()
  const before = world.lead()
  await submit(before, onGpu)
  const backup = new Map(world.queue.stored)
  const agent = new Agent('n1', inventory({ gpus: gpus(1) }))
  await agent.connect(before)
  await agent.reach(attempt(1), 'running')
  agent.disconnect()
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  return {
    leader: world.lead(),
    agent,
    other: new Agent('n2', inventory({ gpus: gpus(1, 'Tesla T4', 'OTHER') })),
  }
}

test('whether an attempt counts is not known before its node has said hello and has described it', async (t) => {
  const { leader, agent } = await restoredWorld()
  const unavailable = { code: 'UNAVAILABLE', message: /has not described/ }
  t.throws(() => leader.isCurrentAttempt(attempt(1), 'n1'), unavailable)
  await agent.connect(leader)
  t.throws(() => leader.isCurrentAttempt(attempt(1), 'n1'), unavailable)
  t.false(leader.isCurrentAttempt(attempt(7), 'n1'))
  agent.session?.described(assignmentOf(agent))
  t.true(leader.isCurrentAttempt(attempt(1), 'n1'))
})

test('a run that a node has been asked to describe is given to no other', async (t) => {
  const { leader, agent, other } = await restoredWorld()
  await agent.connect(leader)
  await other.connect(leader)
  t.deepEqual(other.started, [])
  t.regex((await leader.run(1)).reason, /may run it already/)
  agent.session?.described(assignmentOf(agent))
  await settle()
  t.like(await leader.run(1), { attempt: 1, nodeId: 'n1', state: 'building' })
  t.deepEqual(other.started, [])
})

test('a run whose node forgets it, or goes, before it was described is given to another', async (t) => {
  for (const end of ['forgotten', 'detach'] as const) {
    const { leader, agent, other } = await restoredWorld()
    await agent.connect(leader)
    await other.connect(leader)
    t.deepEqual(other.started, [])
    if (end === 'forgotten') agent.session?.forgotten([attempt(1)])
    else agent.disconnect()
    await settle()
    t.deepEqual([...agent.started, ...other.started], ['1.1'], end)
  }
})

test('an attempt that is described too late is killed, and its GPU is nobody’s before it has let go', async (t) => {
  const { leader, agent } = await restoredWorld()
  await agent.connect(leader)
  await leader.steer('kill', ann, [1])
  agent.session?.described(assignmentOf(agent))
  await settle()
  t.deepEqual(
    agent.orders.map(({ id, wanted }) => [id.runId, wanted]),
    [[1, 'kill']],
  )
  await leader.keeping.repair({ force: false })
  const next = await submit(leader, onGpu)
  await settle()
  t.deepEqual(agent.started, [])
  agent.tell(attempt(1), ended(), { released: true })
  await settle()
  t.deepEqual(agent.started, [`${next}.1`])
})

test('the same holds where the run was given to another node before', async (t) => {
  const { leader, agent, other } = await restoredWorld()
  await other.connect(leader)
  t.deepEqual(other.started, ['1.1'])
  await agent.connect(leader)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['kill'],
  )
  const next = await submit(leader, onGpu)
  await settle()
  t.deepEqual(agent.started, [])
  agent.tell(attempt(1), ended(), { released: true })
  await settle()
  t.deepEqual(agent.started, [`${next}.1`])
  t.like(await leader.run(1), { nodeId: 'n2', state: 'machine_requested' })
})

function assignmentOf(agent: Agent) {
  const assignment = agent.held.get('1.1')?.assignment
  if (!assignment) throw new Error('the node holds 1.1')
  return assignment
}
