import test from 'ava'
import { indexIn, rangesOf } from '../../../coordinator/archive/segment.js'
import type { Leader } from '../../../coordinator/leader.js'
import { ann, attempt, everything, keys, settle, submit, World } from '../leader/harness.js'
import { ready, runToEnd, small } from './archiving.js'

async function listAll(leader: Leader): Promise<readonly number[]> {
  const ids: number[] = []
  for (let pageToken: string | undefined; pageToken !== ''; ) {
    const page = await leader.list({ ...everything, pageSize: 200, pageToken: pageToken ?? '' })
    ids.push(...page.runs.map(({ id }) => id))
    pageToken = page.nextPageToken
  }
  return ids
}

const runKeys = (world: World) => [...world.queue.stored.keys()].filter((key) => key.startsWith(keys.runs))

test('finished runs leave etcd in segments and are found as before', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await runToEnd(leader, agent, 10)
  t.deepEqual(
    runKeys(world),
    [9, 10].flatMap((id) => [keys.runSpec(id), keys.runStatus(id)]),
  )
  t.is([...world.objects.objects.keys()].filter((name) => /archive\/\d+\.1\.jsonl$/.test(name)).length, 2)
  for (const next of [() => leader, () => world.lead(small)]) {
    const one = next()
    t.like(await one.run(1), { id: 1, state: 'complete', project: 'p', nodeName: 'n1', labels: ['old'] })
    const { runs } = await one.list({ ...everything, labels: ['old'] })
    t.deepEqual(
      runs.map(({ id }) => id),
      [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
    )
    t.is((await one.project('p')).runCount, 10)
    t.is((await t.throwsAsync(one.run(11)))?.message, 'no run 11; the newest is 10')
    t.deepEqual((await one.steer('stop', ann, [1])).alreadyFinished, [1])
  }
})

test('an unfilled segment is closed after a while', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await runToEnd(leader, agent, 2)
  t.is(runKeys(world).length, 4)
  await world.clock.advance(61_000)
  t.is(runKeys(world).length, 0)
})

const segments = (world: World) =>
  [...world.objects.objects].filter(([name]) => name.endsWith('.jsonl')).map(([, bytes]) => bytes.length)

test('large runs fill a segment by their bytes, one larger than that has one of its own', async (t) => {
  const world = new World()
  const leader = world.lead({ archive: { ...small.archive, segmentBytes: 10_000 } })
  for (const size of [4_000, 4_000, 4_000, 20_000, 10])
    await submit(leader, { description: 'x'.repeat(size) })
  await leader.steer('kill', ann, [1, 2, 3, 4, 5])
  await world.clock.advance(61_000)
  await settle()
  t.deepEqual(
    segments(world).map((bytes) => Math.round(bytes / 4_000)),
    [2, 1, 5, 0],
  )
  t.is(runKeys(world).length, 0)
  t.deepEqual(await listAll(world.lead(small)), [5, 4, 3, 2, 1])
})

test('runs of which no segment could be made stay what they were, and leave later', async (t) => {
  const world = new World()
  const leader = world.lead(small)
  let broken = false
  const toJSON = () => {
    if (broken) throw new Error('The text is too long.')
    return {}
  }
  for (let run = 0; run < 4; run += 1) await submit(leader, { hyperparameters: { toJSON } as never })
  broken = true
  await leader.steer('kill', ann, [1, 2, 3, 4])
  await settle()
  t.is(leader.facts().waitingForArchive, 4)
  await leader.setLabel(ann, 1, { label: 'late', remove: false })
  t.false(world.queue.stored.has(keys.edit(1)), 'it is no edit of an archived run')
  broken = false
  await world.clock.advance(61_000)
  t.is(leader.facts().archivedRuns, 4)
  t.deepEqual((await world.lead(small).run(1)).labels, ['late'])
})

test('a run stays until its agent has let go of it', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await submit(leader)
  await settle()
  await agent.finish(attempt(1))
  await world.clock.advance(600_000)
  t.is(runKeys(world).length, 2)
  const next = world.lead(small)
  await agent.connect(next)
  t.deepEqual(
    agent.verdicts.map(({ wanted }) => wanted),
    ['forget'],
  )
  agent.held.clear()
  await agent.connect(next)
  await world.clock.advance(61_000)
  t.is(runKeys(world).length, 0, 'a hello without it says as much')
  agent.session?.reports([
    { id: attempt(1), number: 9, durationMs: 0, released: true, event: { kind: 'finished' } },
  ])
  await settle()
  t.deepEqual(agent.answers.at(-1)?.applied, false)
})

test('runs that no node ever had leave too', async (t) => {
  const world = new World()
  const leader = world.lead(small)
  for (let run = 0; run < 4; run += 1) await submit(leader)
  await leader.steer('kill', ann, [1, 2, 3, 4])
  await settle()
  t.is(runKeys(world).length, 0)
})

test('labels, projects and archiving go on in the archive', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await runToEnd(leader, agent, 4)
  await leader.setLabel(ann, 1, { label: 'kept', remove: false })
  await leader.createProject(ann, { name: 'q', description: '', runIds: [1, 2] })
  await leader.steer('archive', ann, [3])
  for (const next of [() => leader, () => world.lead(small)]) {
    const one = next()
    t.deepEqual((await one.run(1)).labels, ['old', 'kept'])
    t.deepEqual(
      (await one.listProjects({ includeArchived: false })).map(({ runCount }) => runCount),
      [2, 2],
    )
    const { runs } = await one.list(everything)
    t.deepEqual(
      runs.map(({ id }) => id),
      [4, 2, 1],
    )
  }
})

test('while the store is away runs wait, are accepted, stopped and listed; then they leave', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  world.objects.away = true
  await runToEnd(leader, agent, 6)
  t.is(runKeys(world).length, 12)
  t.is((await leader.list(everything)).runs.length, 6)
  await world.clock.advance(120_000)
  t.is(runKeys(world).length, 12)
  world.objects.away = false
  await world.clock.advance(120_000)
  t.is(runKeys(world).length, 0)
  t.is(leader.facts().archivedRuns, 6)
})

test('with the store away, what only the store has says so', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await runToEnd(leader, agent, 5)
  const next = world.lead(small)
  world.objects.away = true
  await t.throwsAsync(next.run(1), { message: /away/ })
  const { runs, nextPageToken } = await next.list(everything)
  t.deepEqual(
    runs.map(({ id }) => id),
    [5],
  )
  await t.throwsAsync(next.list({ ...everything, pageToken: nextPageToken }), { message: /away/ })
  world.objects.away = false
  t.is((await next.list({ ...everything, pageToken: nextPageToken })).runs.length, 4)
})

test('whatever commit the leader dies at, each run is in etcd or in the archive, once in every list', async (t) => {
  for (let failAfter = 0; failAfter < 6; failAfter += 1) {
    for (const lastIsCommitted of [true, false]) {
      const world = new World()
      const leader = world.lead({ archive: { ...small.archive, segmentRuns: 100 } })
      for (let run = 0; run < 100; run += 1) void submit(leader)
      await settle()
      await leader.steer(
        'kill',
        ann,
        Array.from({ length: 99 }, (_, index) => index + 1),
      )
      world.queue.failAfter = world.queue.count + failAfter
      world.queue.lastIsCommitted = lastIsCommitted
      await leader.steer('kill', ann, [100]).catch(() => {})
      await settle()
      leader.close()
      const next = world.lead(small)
      await settle()
      t.deepEqual(
        await listAll(next),
        Array.from({ length: 100 }, (_, index) => 100 - index),
      )
      await next.steer('kill', ann, [100])
      await world.clock.advance(61_000)
      t.is(runKeys(world).length, 0)
      t.is(next.facts().archivedRuns, 100)
    }
  }
})

test('a damaged segment is told from a wrong one', async (t) => {
  const world = new World()
  const { leader, agent } = await ready(world)
  await runToEnd(leader, agent, 4)
  for (const [name, bytes] of world.objects.objects)
    if (name.endsWith('.jsonl')) world.objects.objects.set(name, bytes.subarray(1))
  await t.throwsAsync(world.lead(small).run(1), { message: /damaged/ })
})

test('ids as ranges', (t) => {
  t.deepEqual(rangesOf([1, 2, 3, 7, 9, 10]), [1, 3, 7, 7, 9, 10])
  const ranges = rangesOf([1, 2, 3, 7, 9, 10])
  t.deepEqual(
    [0, 1, 3, 4, 7, 8, 9, 10, 11].map((id) => indexIn(ranges, id)),
    [...[undefined, 0, 2, undefined, 3, undefined, 4, 5, undefined]],
  )
})
