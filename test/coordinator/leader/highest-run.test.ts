import test from 'ava'
import { highestRunObject } from '../../../coordinator/leader/highest-run.js'
import { ready, runToEnd, small } from '../archive/archiving.js'
import { Agent } from './fake-agent.js'
import { settle, submit, World } from './harness.js'

const noteOf = (world: World) => String(world.objects.objects.get(highestRunObject) ?? '')
const noteInStore = (world: World, text: string) =>
  world.objects.objects.set(highestRunObject, Buffer.from(text))

/** A leader over four runs under way, where the store has noted run 500. */
async function behindTheNote() {
  const world = new World()
  const before = await ready(world)
  for (let run = 0; run < 4; run += 1) await submit(before.leader)
  await settle()
  noteInStore(world, '{"v":1,"highestRunId":500}')
  return { world, agent: before.agent }
}

async function finishAll(agent: Agent): Promise<void> {
  for (const { assignment } of [...agent.held.values()]) await agent.finish(assignment.id)
  await agent.forget()
  await settle()
}

test('the note of the highest id is never lowered by the runs that a restored cluster archives', async (t) => {
  const { world, agent } = await behindTheNote()
  const restored = world.lead(small)
  await agent.connect(restored)
  await finishAll(agent)
  t.is(restored.facts().archivedRuns, 4)
  t.regex(noteOf(world), /"highestRunId":500/)
  await t.throwsAsync(submit(world.lead(small)), { message: /the store has seen run 500/ })
})

test('nothing is noted in the store before its note was read', async (t) => {
  const { world, agent } = await behindTheNote()
  world.objects.away = true
  const restored = world.lead(small)
  await agent.connect(restored)
  await finishAll(agent)
  world.objects.away = false
  await world.clock.advance(4_000)
  t.is(restored.facts().archivedRuns, 4)
  t.regex(noteOf(world), /"highestRunId":500/)
})

test('no id is given before the store has said what it has noted', async (t) => {
  const { world } = await behindTheNote()
  let answer = () => {}
  const asked = new Promise<void>((resolve) => {
    answer = resolve
  })
  const objects = {
    put: world.objects.put.bind(world.objects),
    list: world.objects.list.bind(world.objects),
    async *read(name: string) {
      await asked
      yield* world.objects.read(name)
    },
  }
  const refused = t.throwsAsync(submit(world.lead(small, { objects })), { message: /has seen run 500/ })
  await settle()
  answer()
  await refused
})

test('a store that does not answer keeps nobody waiting for long', async (t) => {
  const world = new World()
  const read = async function* (): AsyncIterable<Buffer> {
    await new Promise(() => {})
  }
  const { objects: real } = world
  const objects = { put: real.put.bind(real), list: real.list.bind(real), read }
  const submitted = submit(world.lead(small, { objects }))
  await settle()
  await world.clock.advance(5_000)
  t.is(await submitted, 1)
})

test('with a note that cannot be read no id is given until it is mended', async (t) => {
  const { world } = await behindTheNote()
  noteInStore(world, '{"v":1,"high')
  const leader = world.lead(small)
  await t.throwsAsync(submit(leader), { code: 'FAILED_PRECONDITION', message: /note .* is damaged/ })
  noteInStore(world, '{"v":1,"highestRunId":4}')
  await world.clock.advance(5_000)
  t.is(await submit(leader), 5)
})

test('the store’s note of the highest id keeps a restored backup from giving ids twice', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  const backup = new Map(world.queue.stored)
  await runToEnd(leader, agent, 4)
  world.queue.stored.clear()
  for (const [key, value] of backup) world.queue.stored.set(key, value)
  world.objects.away = true
  const restored = world.lead(small)
  await settle()
  world.objects.away = false
  await world.clock.advance(5_000)
  await t.throwsAsync(submit(restored), { message: /the store has seen run 4/ })
})

test('the store’s note is never more than a second behind', async (t) => {
  const world = new World()
  const { leader } = await ready(world)
  await submit(leader)
  await submit(leader)
  await world.clock.advance(1_000)
  await settle()
  t.regex(world.objects.objects.get(highestRunObject)?.toString() ?? '', /"highestRunId":2/)
})

test('no id is noted in the store before etcd has it: a leader that is killed then leaves a cluster that accepts runs', async (t) => {
  const world = new World()
  const submitted: Promise<unknown>[] = []
  const failpoints = {
    reach(name: string) {
      if (name !== 'archive.after-deletes' || leader.newestRunId() !== 4) return
      world.queue.hold()
      submitted.push(t.throwsAsync(submit(leader)))
    },
  }
  const leader = world.lead(small, { failpoints })
  const agent = new Agent('n1')
  await agent.connect(leader)
  await runToEnd(leader, agent, 4)
  t.is(leader.newestRunId(), 5)
  t.is(world.objects.objects.get(highestRunObject), undefined)
  const next = world.lead(small)
  await Promise.all(submitted)
  await settle()
  t.is(await submit(next), 5)
})
