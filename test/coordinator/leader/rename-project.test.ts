import { setImmediate as nextTurn } from 'node:timers/promises'
import test from 'ava'
import type { Leader } from '../../../coordinator/leader.js'
import { ann, settle, submit, World } from './harness.js'

const small = {
  archive: { segmentRuns: 2, segmentBytes: 2 ** 24, segmentAfterMs: 60_000, recentRuns: 1, cacheBytes: 1 },
}
const rename = { newName: 'new', newDescription: undefined }

/** Runs 1 to 4 of the project `old` are in the archive, 5 is not. */
async function worldWithProject() {
  const world = new World()
  const leader = world.lead(small)
  for (let run = 1; run <= 5; run += 1) await submit(leader, { project: 'old' })
  await leader.steer('kill', ann, [1, 2, 3, 4])
  await settle()
  return { world, leader }
}

test('a run that is submitted while its project is renamed is in a project that there is', async (t) => {
  for (let turns = 0; turns < 8; turns += 1) {
    const { leader } = await worldWithProject()
    const renamed = leader.editProject(ann, 'old', rename)
    for (let turn = 0; turn < turns; turn += 1) await nextTurn()
    const id = await submit(leader, { project: 'old' })
    t.like(await renamed, { name: 'new', creator: 'ann' })
    const projects = await counts(leader)
    t.true(((await leader.run(id)).project as string) in projects, `submitted after ${turns} turns`)
    t.is((projects.new ?? 0) + (projects.old ?? 0), 6)
  }
})

test('while the store is away a project with runs in the archive keeps its name', async (t) => {
  const { world, leader } = await worldWithProject()
  world.objects.away = true
  await t.throwsAsync(leader.editProject(ann, 'old', rename), { code: 'UNAVAILABLE' })
  t.deepEqual(await counts(leader), { old: 5 })
  world.objects.away = false
  await leader.editProject(ann, 'old', rename)
  t.deepEqual(await counts(leader), { new: 5 })
})

test('a renaming that a leader died in is finished by asking for it again', async (t) => {
  let halfway = 0
  for (let failAfter = 0; failAfter < 4; failAfter += 1) {
    const { world, leader } = await worldWithProject()
    world.queue.failAfter = world.queue.count + failAfter
    await leader.editProject(ann, 'old', rename).catch(() => {})
    const next = world.lead(small)
    const found = await counts(next)
    t.is((found.old ?? 0) + (found.new ?? 0), 5, `after ${failAfter} commits`)
    if ('old' in found && 'new' in found) {
      halfway += 1
      // Neither of the two may become something else before.
      for (const [name, newName] of [
        ['old', 'third'],
        ['new', 'third'],
      ] as const)
        await t.throwsAsync(next.editProject(ann, name, { ...rename, newName }), {
          code: 'FAILED_PRECONDITION',
          message: /"old" is being renamed to "new"/,
        })
    }
    if ('old' in found) await next.editProject(ann, 'old', rename)
    t.deepEqual(await counts(next), { new: 5 }, `after ${failAfter} commits`)
    t.deepEqual(
      await counts(world.lead(small)),
      { new: 5 },
      `after ${failAfter} commits, under the next leader`,
    )
  }
  t.true(halfway > 0)
})

test('a name that another project has is refused, and runs are not put into a project that is gone', async (t) => {
  const { leader } = await worldWithProject()
  await leader.createProject(ann, { name: 'new', description: '', runIds: [] })
  await t.throwsAsync(leader.editProject(ann, 'old', rename), { code: 'ALREADY_EXISTS' })
  await submit(leader)
  const added = leader.addToProject(ann, 'new', [1, 2, 3, 4, 6])
  const renamed = leader.editProject(ann, 'new', { ...rename, newName: 'other' })
  await Promise.allSettled([added, renamed])
  const projects = await counts(leader)
  for (let id = 1; id <= 5; id += 1) t.true(((await leader.run(id)).project as string) in projects)
})

async function counts(leader: Leader): Promise<Record<string, number>> {
  const projects = await leader.listProjects({ includeArchived: true })
  return Object.fromEntries(projects.map(({ name, runCount }) => [name, runCount]))
}
