import test from 'ava'
import { Agent, oneNode } from './fake-agent.js'
import { attempt, ended, failed, gpus, inventory, saved, settle, World } from './harness.js'

// What one node says can end no leader: no record outgrows what a transaction takes.

const transactionBytes = 1024 * 1024
const long = 'x'.repeat(3 * transactionBytes)

function largest(world: World): number {
  const units = world.queue.committed.map(({ puts }) =>
    puts.reduce((bytes, { value }) => bytes + Buffer.byteLength(value), 0),
  )
  return Math.max(...units)
}

test('whatever a node says of itself, its record fits a transaction', async (t) => {
  const world = new World()
  const leader = world.lead()
  const devices = gpus(300).map((gpu) => ({ ...gpu, model: long, unusableReason: long, parentUuid: long }))
  const offered = inventory({ runtimeVersion: long, gpus: devices, warnings: Array(60).fill(long) })
  const agent = new Agent('n1', offered)
  agent.bootId = long
  await agent.connect(leader)
  t.is((await leader.nodes()).length, 1)
  agent.session?.inventory({ ...offered, cpus: 4 })
  await settle()
  t.is((await leader.nodes())[0]?.inventory.cpus, 4)
  t.true(largest(world) < transactionBytes)
})

test('a node that says the same again is the same, also where its words are cut', async (t) => {
  const { world, agent } = await oneNode({ runs: 0 })
  agent.bootId = long
  await agent.connect(world.lead())
  await agent.connect(world.lead())
  t.is(world.queue.count, 0, 'nothing about it is to be written')
})

test('whatever a node reports, the run’s record fits a transaction', async (t) => {
  const { world, leader, agent } = await oneNode({ runs: 2 })
  await agent.report(attempt(1), { kind: 'reached', state: 'building', dockerImageDigest: long })
  await agent.report(attempt(1), ended({ reason: long }), { released: true })
  await agent.report(attempt(1), saved(long))
  await agent.report(attempt(2), failed({ step: long, reason: long }), { released: true })
  t.like(await leader.run(2), { state: 'failed' })
  t.true(largest(world) < transactionBytes)
})

test('a run that a node describes larger than any that is accepted is not taken over', async (t) => {
  const { world, agent } = await oneNode()
  const assignment = agent.held.get('1.1')?.assignment ?? (t.fail() as never)
  const labels = Array(100).fill('x'.repeat(6_000))
  for (const changes of [{ command: long }, { labels }]) {
    world.queue.stored.clear()
    await agent.connect(world.lead())
    const described = { ...assignment, spec: { ...assignment.spec, ...changes } }
    t.throws(() => agent.session?.described(described), { message: /too large to be kept/ })
  }
  const modest = { ...assignment, gpuUuids: Array(300).fill(long), machineType: long }
  world.queue.stored.clear()
  const leader = world.lead()
  await agent.connect(leader)
  agent.session?.described(modest)
  await settle()
  t.is((await leader.run(1)).nodeId, 'n1')
  t.true(largest(world) < transactionBytes)
})

test('lines about a run are cut', async (t) => {
  const { world, agent } = await oneNode()
  agent.session?.lines([{ id: attempt(1), text: long, verbose: false, error: false }])
  t.true((world.lines[0]?.text.length ?? long.length) < 3_000)
})
