import test, { type ExecutionContext } from 'ava'
import type { RpcError } from '../../../common/errors.js'
import { encode } from '../../../coordinator/core/record-codec.js'
import type { Leader } from '../../../coordinator/leader.js'
import { made } from '../core/demands.js'
import { Agent, oneNode } from './fake-agent.js'
import { ann, attempt, gpus, inventory, keys, root, settle, submit, World } from './harness.js'

function type(changes: Partial<ReturnType<typeof made>> & { name: string }) {
  const { by: _, createdAtMs: __, ...wanted } = made(changes)
  return wanted
}

const asking = (name: string) => ({ machine: { kind: 'type', name } }) as const

async function refused(t: ExecutionContext, action: Promise<unknown>) {
  const error = await t.throwsAsync<RpcError>(action)
  return `${error?.code}: ${error?.message}`
}

test('a made type is asked for by name, without case, blanks and dashes, also of the next leader', async (t) => {
  const { world, leader, agent } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'Big Box', milliCpus: 3_000, memoryBytes: 12e9 }))
  const next = world.lead()
  await agent.connect(next)
  await submit(next, asking('big-box'))
  await settle()
  t.like(agent.held.get('1.1')?.assignment, { cpus: 3, memoryBytes: 12e9, machineType: 'Big Box' })
  const listed = (await next.machineTypes()).find(({ name }) => name === 'Big Box')
  t.like(listed, { made: true, cpus: 3, nodeCount: 1, freeCount: 1 })
})

test('a type that no node can give is listed with what it asks for', async (t) => {
  const { leader } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'huge', milliCpus: 5_000_000, memoryBytes: 2 ** 50 }))
  const listed = (await leader.machineTypes()).find(({ name }) => name === 'huge')
  t.like(listed, { cpus: 5_000, memoryBytes: 2 ** 50, nodeCount: 0, freeCount: 0 })
})

test('a name that is taken, by a made type or one of the cluster, is refused', async (t) => {
  const { leader } = await oneNode({ runs: 0, offered: { gpus: gpus(1, 'Homemade 9000') } })
  await leader.typeAdmin.add(root, type({ name: 'big' }))
  const add = (name: string) => refused(t, leader.typeAdmin.add(root, type({ name })))
  t.is(await add('B-I-G'), 'ALREADY_EXISTS: There is a machine type big already.')
  t.is(
    await add('cpu'),
    'ALREADY_EXISTS: The name cpu is taken: every cluster has CPU, the type of runs without GPUs.',
  )
  t.is(
    await add('v100 x4'),
    'ALREADY_EXISTS: The name v100 x4 is taken: every cluster has V100x4, a type of its GPUs.',
  )
  t.regex(await add('homemade9000'), /^ALREADY_EXISTS: .*Homemade-9000/)
  t.regex(await add('a/b'), /^INVALID_ARGUMENT: The name of a machine type has 1 to 63/)
  t.is(
    await refused(t, leader.typeAdmin.add(root, type({ name: 'x', gpuCount: 1, gpuModel: 'V10' }))),
    'INVALID_ARGUMENT: There is no GPU model "V10". Did you mean A10 or V100 or V100-16GB or V100-32GB or A100?',
  )
})

async function limited(): Promise<{ leader: Leader; agent: Agent; world: World }> {
  const { world, leader, agent } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'few', limit: 1 }))
  for (let run = 0; run < 3; run += 1) await submit(leader, asking('few'))
  await settle()
  return { world, leader, agent }
}

test('no more runs of a type than its limit, over leaders and when it changes', async (t) => {
  const { world, leader, agent } = await limited()
  t.deepEqual(agent.started, ['1.1'])
  t.regex((await leader.run(2)).reason, /no more than 1 may be used at once; it starts when run 1 ends$/)
  const next = world.lead()
  await agent.connect(next)
  t.deepEqual(agent.started, [])
  await next.typeAdmin.scale('few', 2)
  await settle()
  t.deepEqual(agent.started, ['2.1'])
  await agent.finish(attempt(1))
  t.deepEqual(agent.started, ['2.1', '3.1'])
})

test('a type is deleted only when its runs have ended', async (t) => {
  const { leader } = await limited()
  const remove = () => leader.typeAdmin.delete('FEW')
  t.regex(await refused(t, remove()), /Runs of the machine type few have not ended: 1, 2, 3\./)
  await leader.steer('kill', ann, [2, 3])
  t.regex(await refused(t, remove()), /not ended: 1\./)
  t.regex(await refused(t, leader.typeAdmin.delete('T4')), /T4 follows from what nodes bring/)
  t.is(
    await refused(t, leader.typeAdmin.delete('x')),
    'NOT_FOUND: There is no made machine type "x"; there is few.',
  )
})

test('a deleted type is not known any more', async (t) => {
  const { leader } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'brief' }))
  await leader.typeAdmin.delete('brief')
  t.regex(await refused(t, submit(leader, asking('brief'))), /There is no machine type "brief"/)
})

test('runs of a spot type are repeated unless they say otherwise, and its storage is the limit of the disk', async (t) => {
  const { leader, agent } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'spot', spot: true, storageBytes: 5e9 }))
  await submit(leader, asking('spot'))
  const limits = { timeoutMs: undefined, graceMs: undefined, autoResume: 'off', diskBytes: 7 } as const
  await submit(leader, { ...asking('spot'), limits })
  await settle()
  t.like(agent.held.get('1.1')?.assignment, { replaceable: true, diskBytes: 5e9 })
  t.like(agent.held.get('2.1')?.assignment, { replaceable: false, diskBytes: 7 })
})

test('the part of cores set aside for runs without GPUs is a setting that lasts', async (t) => {
  const { world, leader, agent } = await oneNode({ runs: 0, offered: { gpus: gpus(2) } })
  const cpusOf = async (by: Leader, name: string) =>
    (await by.machineTypes()).find((one) => one.name === name)?.cpus
  t.is(await cpusOf(leader, 'T4'), 3)
  await leader.setSetting('cpu-share', '0.5')
  t.is(await cpusOf(leader, 'T4'), 2)
  const next = world.lead()
  await agent.connect(next)
  t.is(await cpusOf(next, 'T4x2'), 4)
  t.like((await next.nodeAdmin.get('n1')).forCpuRuns, { milliCpus: 4_000 })
  await next.setSetting('cpu-share', '')
  t.is(await cpusOf(next, 'T4'), 3)
})

test('a GPU that two nodes show stays with the first over leaders, and both say so', async (t) => {
  const world = new World()
  const leader = world.lead()
  const one = new Agent('z', inventory({ gpus: gpus(1) }))
  const two = new Agent('a', inventory({ gpus: gpus(1) }))
  await one.connect(leader)
  await world.clock.advance(1_000)
  await two.connect(leader)
  const next = world.lead()
  await two.connect(next)
  await one.connect(next)
  const sentence = 'GPU GPU-0 belongs to node z, and node a shows it too'
  for (const node of await next.nodes()) t.deepEqual(node.warnings, [sentence])
  t.is(
    (await next.nodeAdmin.get('a')).node.gpus[0]?.unusableReason,
    'it belongs to node z, and node a shows it too',
  )
  await submit(next, asking('T4'))
  await settle()
  t.deepEqual(one.started, ['1.1'])
})

test('a node that joined as a made type carries its labels', async (t) => {
  const { world, leader, agent } = await oneNode({ runs: 0 })
  await leader.typeAdmin.add(root, type({ name: 'Big Box', labels: ['big'] }))
  await submit(leader, asking('big box'))
  await settle()
  t.deepEqual(agent.started, [])
  const membership = {
    ...{ holder: 'node:n1', name: 'n1', publicKeySha256: 'k', tokenSha256: 't', machineId: 'm' },
    ...{ machineType: 'bigbox', joinedAtMs: 1, removedAtMs: 0 },
  }
  world.queue.stored.set(keys.membership('node:n1'), encode(membership))
  const next = world.lead()
  t.deepEqual((await next.nodes())[0]?.labels, ['big'])
  await agent.connect(next)
  t.deepEqual(agent.started, ['1.1'])
})
