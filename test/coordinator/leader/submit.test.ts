import test from 'ava'
import type { RpcError } from '../../../common/errors.js'
import { Agent } from './fake-agent.js'
import {
  ann,
  attempt,
  bob,
  everything,
  gpus,
  inventory,
  keys,
  root,
  settle,
  spec,
  submit,
  World,
} from './harness.js'

test('ids ascend from 1 without gaps, also over leaders', async (t) => {
  const world = new World()
  const first = world.lead()
  t.deepEqual([await submit(first), await submit(first)], [1, 2])
  const second = world.lead()
  t.is(await submit(second), 3)
  t.is(second.newestRunId(), 3)
})

test('a submission is answered only after its commit', async (t) => {
  const world = new World()
  const leader = world.lead()
  world.queue.hold()
  let answered = false
  const submitted = submit(leader).then(() => {
    answered = true
  })
  await settle()
  t.false(answered)
  world.queue.release()
  await submitted
  t.true(answered)
})

test('the same request id answers the same run, before and after its commit and under the next leader', async (t) => {
  const world = new World()
  const leader = world.lead()
  const submission = { user: ann, requestId: 'r', requestHash: 'h', spec: spec() }
  const [one, two] = await Promise.all([leader.submit(submission), leader.submit(submission)])
  t.deepEqual([one.runId, one.repeated, two.runId, two.repeated], [1, false, 1, true])
  t.deepEqual(await world.lead().submit(submission), { runId: 1, repeated: true, warnings: [] })
  t.is((await world.lead().submit({ ...submission, user: bob })).runId, 2, 'ids are by user')
})

test('a request id with other content is refused', async (t) => {
  const leader = new World().lead()
  await leader.submit({ user: ann, requestId: 'r', requestHash: 'h', spec: spec() })
  const error = await t.throwsAsync(
    leader.submit({ user: ann, requestId: 'r', requestHash: 'other', spec: spec() }),
  )
  t.is((error as RpcError).code, 'ALREADY_EXISTS')
})

test('request ids are bounded, and forgotten after a day', async (t) => {
  const world = new World()
  const leader = world.lead({ maxRequestIds: 2 })
  await submit(leader)
  await submit(leader)
  const error = await t.throwsAsync(submit(leader))
  t.is((error as RpcError).code, 'RESOURCE_EXHAUSTED')
  await world.clock.advance(27 * 3_600_000)
  t.is(await submit(leader), 3)
})

test('leadership that ends before the commit answers nothing, and the next leader goes by what etcd has', async (t) => {
  for (const lastIsCommitted of [false, true]) {
    const world = new World()
    const leader = world.lead()
    await submit(leader)
    world.queue.failAfter = world.queue.count
    world.queue.lastIsCommitted = lastIsCommitted
    const submission = { user: ann, requestId: 'again', requestHash: 'h', spec: spec() }
    await t.throwsAsync(leader.submit(submission), { message: /does not lead/ })
    t.is(world.steppedDown.length, 1)
    const { runId, repeated } = await world.lead().submit(submission)
    t.deepEqual([runId, repeated], [2, lastIsCommitted])
  }
})

test('near machine types are named, known ones that nobody has are accepted with a warning', async (t) => {
  const leader = new World().lead()
  const wrong = await t.throwsAsync(submit(leader, { machine: { kind: 'type', name: 'V10' } }))
  t.is((wrong as RpcError).code, 'INVALID_ARGUMENT')
  t.regex(wrong?.message ?? '', /no machine type "V10".*V100/)
  const { runId, warnings } = await leader.submit({
    ...{ user: ann, requestId: 'r', requestHash: 'h' },
    spec: spec({ machine: { kind: 'type', name: 'v100' } }),
  })
  t.regex(warnings[0] ?? '', /V100/)
  const view = await leader.run(runId)
  t.is(view.state, 'machine_requested')
  t.is(view.machineType, 'V100')
  t.is(view.queuePosition, 1)
  t.is(view.reason, 'The pool has no nodes; it starts when one joins')
})

test('over four fifths of the quota submissions are refused while reports pass', async (t) => {
  const world = new World()
  const leader = world.lead()
  const agent = new Agent('n1')
  await agent.connect(leader)
  await submit(leader)
  await settle()
  world.etcdBytes = 900_000
  const error = await t.throwsAsync(submit(leader))
  t.is((error as RpcError).code, 'RESOURCE_EXHAUSTED')
  await agent.reach(attempt(1), 'building')
  t.is((await leader.run(1)).state, 'building')
})

test('runs over the user’s limit wait in user_requested and follow one by one', async (t) => {
  const world = new World()
  const leader = world.lead()
  const limited = { ...ann, maxConcurrentRuns: 1 }
  await leader.putUser(limited)
  for (const _ of [1, 2, 3]) await submit(leader, {}, limited)
  await submit(leader, {}, bob)
  const states = async () => Promise.all([1, 2, 3, 4].map(async (id) => (await leader.run(id)).state))
  t.deepEqual(await states(), ['machine_requested', 'user_requested', 'user_requested', 'machine_requested'])
  t.like(await leader.run(3), { queuePosition: 2 })
  t.regex((await leader.run(2)).reason, /limit of 1 concurrent/)
  t.like(await leader.status(limited), { totalRuns: 4, queuedForConcurrency: 2, concurrencyLimit: 1 })
  await leader.steer('kill', limited, [1])
  t.deepEqual(await states(), ['killed', 'machine_requested', 'user_requested', 'machine_requested'])
  await leader.steer('kill', limited, [3])
  t.is((await leader.run(3)).state, 'killed')
  await leader.setUserLimit('ann', 5)
  await submit(leader, {}, { ...ann, maxConcurrentRuns: 5 })
  t.is((await leader.run(5)).state, 'machine_requested')
})

test('a crash between the end of a run and the start of its user’s next one leaves nobody waiting', async (t) => {
  const world = new World()
  const leader = world.lead()
  const limited = { ...ann, maxConcurrentRuns: 1 }
  await leader.putUser(limited)
  for (const _ of [1, 2]) await submit(leader, {}, limited)
  const waiting = world.queue.stored.get(keys.runStatus(2)) ?? ''
  await leader.steer('kill', limited, [1])
  world.queue.stored.set(keys.runStatus(2), waiting)
  const next = world.lead()
  t.is((await next.run(2)).state, 'machine_requested')
  t.regex(world.queue.stored.get(keys.runStatus(2)) ?? '', /"state":"machine_requested"/)
})

test('a spec of any kind comes back as it was, from memory and from etcd', async (t) => {
  const world = new World()
  const full = spec({
    ...{
      command: 'a\u2028b',
      project: 'p',
      labels: ['x'],
      tensorboardDir: 'tb',
      resumeFrom: 3,
      idempotent: true,
    },
    mounts: [{ resource: 'runs/1', path: 'p' }],
    env: [{ name: 'A', value: '' }],
    stopConditions: [[{ metric: 'loss', operator: '<', value: 0.1, minimumIndex: 3 }]],
    hyperparameters: { lr: '0.1' },
    machine: {
      ...{
        kind: 'capability',
        gpuCount: 1,
        gpuModels: ['T4'],
        gpuMemoryBytes: 1e9,
        cpus: 2,
        memoryBytes: 4e9,
      },
      ...{ diskBytes: 0, nodeLabels: ['a'] },
    },
  })
  const leader = world.lead()
  await leader.submit({ user: ann, requestId: 'r', requestHash: 'h', spec: full })
  const kept = async (from: typeof leader) => ({
    ...(await from.run(1)).spec,
    env: await from.environmentOf(1),
  })
  t.deepEqual(await kept(leader), full)
  const next = world.lead()
  t.deepEqual(await kept(next), full)
  t.deepEqual((await next.run(1)).labels, ['x'])
  const agent = new Agent('n1', inventory({ gpus: gpus(1) }))
  await agent.connect(next)
  await next.nodeAdmin.setLabel('n1', { label: 'a', remove: false })
  await settle()
  t.deepEqual(agent.held.get('1.1')?.assignment.spec, full)
})

test('an unknown run names the newest; lists are newest first, filtered, in pages', async (t) => {
  const world = new World()
  const leader = world.lead()
  t.is((await t.throwsAsync(leader.run(7)))?.message, 'no run 7; there are no runs yet')
  for (let id = 1; id <= 7; id += 1)
    await submit(leader, { labels: id % 2 === 0 ? ['even'] : [] }, id === 7 ? bob : ann)
  t.is((await t.throwsAsync(leader.run(77)))?.message, 'no run 77; the newest is 7')
  const ids = async (changes: Partial<typeof everything>) => {
    const { runs, nextPageToken } = await leader.list({ ...everything, ...changes })
    return [...runs.map(({ id }) => id), nextPageToken]
  }
  t.deepEqual(await ids({ pageSize: 3 }), [7, 6, 5, '5'])
  t.deepEqual(await ids({ pageSize: 4, pageToken: '5' }), [4, 3, 2, 1, ''])
  t.deepEqual(await ids({ labels: ['even', 'odd'] }), [6, 4, 2, ''])
  t.deepEqual(await ids({ creator: 'bob' }), [7, ''])
  await leader.steer('kill', root, [6, 7])
  t.deepEqual(await ids({ activeOnly: true, pageSize: 2 }), [5, 4, '4'])
  await leader.steer('archive', root, [7])
  t.deepEqual(await ids({ pageSize: 2 }), [6, 5, '5'])
  t.deepEqual(await ids({ pageSize: 1, includeArchived: true }), [7, '7'])
  await t.throwsAsync(leader.list({ ...everything, pageToken: 'x' }), { message: /page token/ })
})

test('steering sorts ids by what became of each', async (t) => {
  const leader = new World().lead()
  for (const user of [ann, ann, bob]) await submit(leader, {}, user)
  await leader.steer('kill', ann, [1])
  t.deepEqual(await leader.steer('stop', ann, [1, 2, 3, 9, 2]), {
    ...{ done: [2], alreadyFinished: [1], unknown: [9], notPermitted: [3] },
  })
  t.like(await leader.run(2), { state: 'killed', reason: `Stopped by ${ann.name} before it started` })
  t.deepEqual((await leader.steer('kill', { ...ann, role: 'viewer' }, [3])).notPermitted, [3])
  t.deepEqual((await leader.steer('kill', root, [3])).done, [3])
  await submit(leader)
  await t.throwsAsync(leader.steer('archive', ann, [4]), { message: /has not finished/ })
})

test('labels, projects and settings last', async (t) => {
  const world = new World()
  const leader = world.lead()
  await submit(leader, { project: 'made' })
  await submit(leader)
  await leader.setLabel(ann, 1, { label: 'x', remove: false })
  await leader.setLabel(ann, 1, { label: 'x', remove: false })
  await t.throwsAsync(leader.setLabel(bob, 1, { label: 'y', remove: false }), { message: /ann's/ })
  await t.throwsAsync(leader.setLabel(ann, 1, { label: 'y', remove: true }), { message: /no label/ })
  await leader.createProject(ann, { name: 'new', description: 'd', runIds: [2] })
  await t.throwsAsync(leader.createProject(ann, { name: 'new', description: '', runIds: [] }), {
    message: /already/,
  })
  await leader.addToProject(ann, 'new', [1, 5])
  await leader.editProject(ann, 'new', { newName: 'newer', newDescription: undefined })
  await leader.setSetting('default-image', 'debian:12')
  await t.throwsAsync(leader.setSetting('no-such', 'x'), { message: /no setting/ })
  const next = world.lead()
  t.deepEqual((await next.run(1)).labels, ['x'])
  t.deepEqual(
    (await next.listProjects({ includeArchived: false })).map(({ name, runCount }) => [name, runCount]),
    [
      ['made', 0],
      ['newer', 2],
    ],
  )
  t.deepEqual(await next.settings(), { 'default-image': 'debian:12' })
  await next.removeFromProject(ann, 'newer', [2])
  t.is((await next.project('newer')).runCount, 1)
  await next.setProjectArchived(ann, 'newer', { archived: true })
  t.is((await next.listProjects({ includeArchived: false })).length, 1)
  await next.setSetting('default-image', '')
  t.deepEqual(await next.settings(), {})
})

test('a token is its user’s until it is removed', async (t) => {
  const world = new World()
  await world.lead().putUser(ann, 'aa')
  const leader = world.lead()
  t.deepEqual(leader.user('aa'), ann)
  t.is(leader.user('bb'), undefined)
  await leader.removeToken('aa')
  t.is(world.lead().user('aa'), undefined)
})

test('the token that the settings name is never removed', async (t) => {
  const leader = new World().lead({ ownTokenSha256: 'aa' })
  await leader.putUser(root, 'aa')
  await t.throwsAsync(leader.removeToken('aa'), { message: /stays valid/ })
  t.deepEqual(leader.user('aa'), root)
})

test('records of a later version are refused by name', (t) => {
  const world = new World()
  world.queue.stored.set(keys.user('x'), '{"v":2,"name":"x"}')
  t.throws(() => world.lead(), { message: /spell\/user\/x has schema version 2/ })
})
