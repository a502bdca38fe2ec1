import { createHash } from 'node:crypto'
import test from 'ava'
import { newClusterKey } from '../../../common/sealing.js'
import { checkClusterKey } from '../../../coordinator/leader/key-check.js'
import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import { CodeCheck } from '../../../coordinator/rpc/code-check.js'
import { ImageCheck } from '../../../coordinator/rpc/image-check.js'
import { submit as submitRequest } from '../../../coordinator/rpc/submit.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { SubmitRequest__Output } from '../../../proto/gen/spell/v1/SubmitRequest.js'
import { Agent } from './fake-agent.js'
import { ann, attempt, keys, noSecrets, settle, spec, submit, World } from './harness.js'

const secret = 'hunter2-hunter2'
const env = [
  { name: 'PASSWORD', value: secret },
  { name: 'EMPTY', value: '' },
  { name: 'ODD', value: 'sealed:1:AAAA' },
]

const stored = (world: World) =>
  JSON.stringify([...world.queue.stored]) +
  [...world.objects.objects.values()].map((bytes) => Buffer.from(bytes).toString()).join('')

async function submitted(world: World) {
  const leader = world.lead({
    archive: { ...defaultLeaderSettings.archive, segmentRuns: 1 },
  })
  const agent = new Agent('n1')
  await agent.connect(leader)
  await submit(leader, { env })
  await settle()
  return { leader, agent }
}

test('values reach the node and whoever may see them, and neither etcd nor the archive', async (t) => {
  const world = new World()
  const { leader, agent } = await submitted(world)
  t.deepEqual(agent.held.get('1.1')?.assignment.spec.env, env)
  t.deepEqual(await leader.environmentOf(1), env)
  t.false(JSON.stringify(await leader.run(1)).includes(secret))
  t.regex(stored(world), /PASSWORD/)
  t.false(stored(world).includes(secret))
  await agent.finish(attempt(1))
  await agent.forget()
  await settle()
  t.false(world.queue.stored.has(keys.runSpec(1)), 'the run has left etcd')
  t.regex(stored(world), /PASSWORD/)
  t.false(stored(world).includes(secret))
  t.deepEqual(await world.lead().environmentOf(1), env)
})

test('a run that is taken over from its node is sealed again', async (t) => {
  const world = new World()
  const { agent } = await submitted(world)
  world.queue.stored.clear()
  const restored = world.lead()
  await agent.connect(restored)
  agent.session?.described(agent.held.get('1.1')?.assignment ?? (t.fail() as never))
  await settle()
  t.regex(stored(world), /PASSWORD/)
  t.false(stored(world).includes(secret))
  t.deepEqual(await restored.environmentOf(1), env)
})

test('what an earlier version kept as it was is read as it is', async (t) => {
  const world = new World()
  const { leader } = await submitted(world)
  await leader.steer('kill', ann, [1])
  const key = keys.runSpec(1)
  const record = JSON.parse(world.queue.stored.get(key) ?? '')
  t.is(record.v, 2, 'a coordinator that cannot unseal does not lead')
  world.queue.stored.set(key, JSON.stringify({ ...record, v: 1, spec: { ...record.spec, env } }))
  t.deepEqual(await world.lead().environmentOf(1), env)
})

const request = (requestId: string, value: string) =>
  ({
    requestId,
    spec: runSpecToWire(spec({ env: [{ name: 'PIN', value }] })),
  }) as unknown as SubmitRequest__Output

function asking(world: World) {
  const parts = {
    notYet: [],
    images: new ImageCheck(world.clock),
    code: new CodeCheck({ has: async () => true }),
  }
  const leader = world.lead()
  return (asked: SubmitRequest__Output) => submitRequest(parts, asked, { user: ann, leader })
}

test('the hash that a request is known by gives nothing away, and knows it again', async (t) => {
  const world = new World()
  const ask = asking(world)
  await ask(request('r', '1234'))
  t.like(await ask(request('r', '1234')), { runId: 1, repeatedRequest: true })
  await t.throwsAsync(ask(request('r', '1235')), { message: /was used for another request/ })
  const { hash } = JSON.parse(world.queue.stored.get(keys.request('ann', 'r')) ?? '')
  const again = asking(new World())
  await again(request('r', '1234'))
  const same = spec({ env: [{ name: 'PIN', value: '1234' }] })
  const plain = createHash('sha256')
    .update(JSON.stringify({ ...same, hyperparameters: [] }))
    .digest('hex')
  t.not(hash, plain)
  t.like(
    world.lead().requestHashes(same, JSON.stringify({ ...same, hyperparameters: [] })),
    { requestHash: hash, earlierHash: plain },
    'and a request that an earlier version took in is known, too',
  )
})

test('without a key there are no secrets', async (t) => {
  const leader = new World().lead({}, { trust: noSecrets })
  t.is(await submit(leader), 1)
  const refused = { message: /no key to seal environment variables/ }
  await t.throwsAsync(submit(leader, { env }), refused)
  t.throws(() => leader.requestHashes(spec({ env }), ''), refused)
  t.is(await submit(leader), 2, 'no id is lost by it')
})

test('a coordinator with another key, or without one, does not lead', (t) => {
  const key = newClusterKey()
  const put = checkClusterKey(key, undefined, keys)
  const { sealed } = JSON.parse(put?.value ?? '')
  t.is(put?.key, keys.keyCheck)
  t.is(checkClusterKey(key, sealed, keys), undefined)
  t.is(checkClusterKey(undefined, undefined, keys), undefined)
  t.throws(() => checkClusterKey(newClusterKey(), sealed, keys), { message: /is not the one/ })
  t.throws(() => checkClusterKey(undefined, sealed, keys), { message: /name no key/ })
})
