import test from 'ava'
import { Agent } from './fake-agent.js'
import { attempt, everything, keys, settle, submit, World } from './harness.js'

// Two coordinators of neighbouring versions, one after the other over what etcd and the store hold.

const archive = { segmentRuns: 1, segmentBytes: 1e6, segmentAfterMs: 1, recentRuns: 0, cacheBytes: 1 }
const old = { archive }
const next = { archive, versionsAhead: 1 }

const versionsOf = (world: World) => [
  ...new Set(
    [...world.queue.stored]
      .filter(([key]) => key !== keys.schema)
      .map(([, value]) => JSON.parse(value).v as number),
  ),
]

async function oneMore(world: World, leader: ReturnType<World['lead']>): Promise<void> {
  const agent = new Agent('n1')
  await agent.connect(leader)
  const id = await submit(leader)
  await settle()
  await agent.finish(attempt(id))
  await agent.forget()
  await world.clock.advance(10)
  await settle()
}

test('while a coordinator of the older version may lead, the newer one writes what that reads', async (t) => {
  const world = new World()
  await oneMore(world, world.lead(old))
  const newer = world.lead(next, { recordVersions: () => [2, 1] })
  await oneMore(world, newer)
  await world.clock.advance(600_000)
  t.deepEqual(versionsOf(world), [1])
  const older = world.lead(old)
  await oneMore(world, older)
  t.deepEqual(
    (await older.list(everything)).runs.map(({ id, state }) => [id, state]),
    [3, 2, 1].map((id) => [id, 'complete']),
  )
})

test('once all read the newer version for a while it is written, and an older coordinator cannot lead', async (t) => {
  const world = new World()
  await oneMore(world, world.lead(old))
  let versions: readonly number[] | undefined
  const newer = world.lead(next, { recordVersions: () => versions })
  await world.clock.advance(120_000)
  t.false(world.queue.stored.has(keys.schema), 'nobody knows yet who there is')
  versions = [2, 2]
  await world.clock.advance(50_000)
  versions = [2, 1]
  await world.clock.advance(2_000)
  versions = [2, 2]
  await world.clock.advance(50_000)
  t.false(world.queue.stored.has(keys.schema), 'an older one was seen in between')
  await world.clock.advance(15_000)
  t.deepEqual(JSON.parse(world.queue.stored.get(keys.schema) ?? ''), { v: 1, records: 2 })
  await oneMore(world, newer)
  await submit(newer)
  t.true(versionsOf(world).includes(2))
  t.throws(() => world.lead(old), { code: 'FAILED_PRECONDITION', message: /Upgrade it/ })
  const another = world.lead(next)
  t.deepEqual(
    (await another.list(everything)).runs.map(({ id }) => id),
    [3, 2, 1],
  )
  t.like(await another.run(1), { state: 'complete' })
  t.like(await another.run(2), { state: 'complete' })
})
