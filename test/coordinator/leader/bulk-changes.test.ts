import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import type { Leader } from '../../../coordinator/leader.js'
import { ann, settle, spec, submit, World } from './harness.js'

test('a thousand runs move to a project, leave it and are archived in few units, those in the archive too', async (t) => {
  const world = new World()
  const leader = world.lead({ archive: { ...archive, segmentRuns: 500 } })
  await leader.createProject(ann, { name: 'p', description: '', runIds: [] })
  const ids = await submitMany(leader, 1_000)
  await leader.steer('kill', ann, ids.slice(0, 500))
  await settle()
  t.is(leader.facts().archivedRuns, 500)
  const unitsOf = async (change: () => Promise<{ readonly done: readonly number[] }>) => {
    const before = world.queue.count
    const { done } = await change()
    return { done: done.length, units: world.queue.count - before }
  }
  t.deepEqual(await unitsOf(() => leader.addToProject(ann, 'p', ids)), { done: 1_000, units: 20 })
  t.is((await leader.project('p')).runCount, 1_000)
  t.deepEqual(await unitsOf(() => leader.removeFromProject(ann, 'p', ids)), { done: 1_000, units: 20 })
  t.is((await leader.project('p')).runCount, 0)
  t.deepEqual(await unitsOf(() => leader.steer('archive', ann, ids.slice(0, 500))), { done: 500, units: 10 })
  t.is((await world.lead().project('p')).runCount, 0)
})

test('while too much waits to be stored, changes are refused before anything is changed', async (t) => {
  const world = new World()
  const leader = world.lead()
  await leader.createProject(ann, { name: 'p', description: '', runIds: [] })
  await submit(leader)
  world.queue.hold()
  for (let index = 0; index < 20_000; index += 1)
    void world.queue.add({ puts: [{ key: `other/${index}`, value: '' }], deletes: [] })
  const refused = [
    () => leader.steer('kill', ann, [1]),
    () => leader.addToProject(ann, 'p', [1]),
    () => leader.setLabel(ann, 1, { label: 'l', remove: false }),
    () => leader.createProject(ann, { name: 'q', description: '', runIds: [] }),
    () => leader.editProject(ann, 'p', { newName: undefined, newDescription: 'new' }),
    () => leader.submit({ user: ann, requestId: 'r', requestHash: 'h', spec: spec() }),
  ]
  for (const change of refused) {
    const error = await t.throwsAsync(change, { instanceOf: RpcError, message: /Too many changes wait/ })
    t.is(error?.code, 'RESOURCE_EXHAUSTED')
    t.is(error?.trailers['retry-after-ms'], '1000')
  }
  world.queue.release()
  const run = await leader.run(1)
  t.is(run.state, 'machine_requested')
  t.deepEqual([run.project, run.labels], [undefined, []])
  t.deepEqual(
    (await leader.listProjects({ includeArchived: true })).map(({ name, description }) => [
      name,
      description,
    ]),
    [['p', '']],
  )
  t.deepEqual(world.steppedDown, [])
})

test('of an archiving nothing is done when one of the runs has not finished', async (t) => {
  const world = new World()
  const leader = world.lead()
  const ids = await submitMany(leader, 2)
  await leader.steer('kill', ann, [1])
  await t.throwsAsync(leader.steer('archive', ann, ids), { code: 'FAILED_PRECONDITION' })
  t.false((await leader.run(1)).archived)
})

const archive = {
  segmentRuns: 1_000,
  segmentBytes: 2 ** 24,
  segmentAfterMs: 60_000,
  recentRuns: 5_000,
  cacheBytes: 1024 ** 2,
}

async function submitMany(leader: Leader, count: number): Promise<readonly number[]> {
  return await Promise.all(Array.from({ length: count }, () => submit(leader)))
}
