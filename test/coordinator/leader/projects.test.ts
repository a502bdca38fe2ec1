import test from 'ava'
import type { RpcError } from '../../../common/errors.js'
import { ann, bob, root, submit, World } from './harness.js'

test('a project is made with all of its runs or not at all', async (t) => {
  const leader = new World().lead()
  await submit(leader)
  const make = (user: typeof ann, runIds: readonly number[]) =>
    leader.createProject(user, { name: 'p', description: '', runIds })
  t.like(await t.throwsAsync<RpcError>(make(ann, [1, 9])), {
    code: 'NOT_FOUND',
    message: 'no run 9; the newest is 1',
  })
  t.like(await t.throwsAsync<RpcError>(make(bob, [1])), {
    code: 'PERMISSION_DENIED',
    message: "Run 1 is ann's.",
  })
  t.deepEqual(await leader.listProjects({ includeArchived: true }), [])
  t.is((await make(root, [1, 1])).runCount, 1)
})

test('only runs that are in a project leave it', async (t) => {
  const leader = new World().lead()
  await submit(leader, { project: 'p' })
  await submit(leader, { project: 'q' })
  t.deepEqual(await leader.removeFromProject(ann, 'p', [1, 2, 9]), {
    ...{ done: [1], alreadyFinished: [], unknown: [9], notPermitted: [] },
  })
  t.is((await leader.run(2)).project, 'q')
})
