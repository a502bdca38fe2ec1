import test from 'ava'
import { encode } from '../../../coordinator/core/record-codec.js'
import type { Leader } from '../../../coordinator/leader.js'
import { Agent } from '../leader/fake-agent.js'
import { attempt, everything, keys, settle, submit, World } from '../leader/harness.js'
import { ready, runToEnd, small } from './archiving.js'

// etcd comes back from a backup; segments that were written since are in the store.

async function restoredWorld() {
  const world = new World()
  const { leader, agent } = await ready(world)
  await submit(leader)
  await agent.reach(attempt(1), 'running')
  const backup = new Map(world.queue.stored)
  await runToEnd(leader, agent, 4)
  await agent.finish(attempt(1))
  await agent.forget()
  await world.clock.advance(61_000)
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  world.queue.stored.set(keys.restored, encode({ generation: 'g2' }))
  return world
}

async function recovered(world: World): Promise<Leader> {
  const leader = world.lead(small)
  await leader.keeping.recoverArchive()
  await new Agent('n1').connect(leader)
  await settle()
  return leader
}

const idsOf = async (leader: Leader) => (await leader.list(everything)).runs.map(({ id }) => id)

test('runs that were archived after the backup are found, and keep the end that they had', async (t) => {
  const world = await restoredWorld()
  const leader = await recovered(world)
  t.like(await leader.run(1), { state: 'complete', exitCode: 0 })
  t.like(await leader.run(5), { state: 'complete' })
  t.deepEqual(await idsOf(leader), [5, 4, 3, 2, 1])
  t.is((await leader.keeping.repair({ force: false })).counter, 5)
  t.is(await submit(leader), 6)
})

test('they leave etcd again, and another leader that finds the same segments counts none twice', async (t) => {
  const world = await restoredWorld()
  await recovered(world)
  await world.clock.advance(61_000)
  const next = await recovered(world)
  await world.clock.advance(61_000)
  t.deepEqual(await idsOf(next), [5, 4, 3, 2, 1])
  t.is(next.facts().archivedRuns, 5)
})

test('until it is repaired no run is accepted, and it is not before all nodes were heard', async (t) => {
  const world = await restoredWorld()
  const leader = world.lead(small)
  await t.throwsAsync(submit(leader), { code: 'FAILED_PRECONDITION', message: /spell cluster repair/ })
  await t.throwsAsync(leader.keeping.repair({ force: false }), {
    code: 'FAILED_PRECONDITION',
    message: /Not heard of since the restore: n1\./,
  })
  t.like(await leader.keeping.repair({ force: true }), { restored: true, counter: 5, unheard: ['n1'] })
  t.is(await submit(leader), 6)
  t.is(await submit(world.lead(small)), 7, 'the next leader knows that it was repaired')
})

test('a store that is away keeps a restored cluster from beginning, and from being repaired', async (t) => {
  const world = await restoredWorld()
  world.objects.away = true
  const leader = world.lead(small)
  await t.throwsAsync(leader.keeping.recoverArchive(), {
    code: 'FAILED_PRECONDITION',
    message: /from the store first/,
  })
  const repairing = leader.keeping.repair({ force: false })
  await settle()
  await world.clock.advance(5_000)
  await t.throwsAsync(repairing, { code: 'FAILED_PRECONDITION', message: /The store is away/ })
})

test('a damaged segment is left aside', async (t) => {
  const world = await restoredWorld()
  world.objects.objects.set('.spell/archive/99.1.jsonl', Buffer.from('[{"v":1'))
  world.objects.objects.set('.spell/archive/98.1.jsonl', Buffer.from('{"v":1\n'))
  t.deepEqual(await idsOf(await recovered(world)), [5, 4, 3, 2, 1])
})
