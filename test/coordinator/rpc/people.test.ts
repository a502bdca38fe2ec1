import { randomUUID } from 'node:crypto'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { fingerprint } from '../../../common/certificates.js'
import { RpcError, type StatusName } from '../../../common/errors.js'
import { writeToken } from '../../../common/portable-token.js'
import { readClusterKey, seal, unseal } from '../../../common/sealing.js'
import type { Channel } from '../../../proto/channel.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { CreateAccessTokenResponse__Output } from '../../../proto/gen/spell/v1/CreateAccessTokenResponse.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { Invitation__Output } from '../../../proto/gen/spell/v1/Invitation.js'
import type { ListAccessTokensResponse__Output } from '../../../proto/gen/spell/v1/ListAccessTokensResponse.js'
import type { ListUsersResponse__Output } from '../../../proto/gen/spell/v1/ListUsersResponse.js'
import type { LogInResponse__Output } from '../../../proto/gen/spell/v1/LogInResponse.js'
import type { ResetAdminResponse__Output } from '../../../proto/gen/spell/v1/ResetAdminResponse.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import type { User__Output } from '../../../proto/gen/spell/v1/User.js'
import { type Method, method } from '../../../proto/wire.js'
import { type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { untilLed } from './until-led.js'

const test = anyTest as TestFn<{ readonly cluster: ClusterFixture; readonly admin: Channel }>

const add: Method<unknown, Invitation__Output> = method('People', 'Add')
const list: Method<unknown, ListUsersResponse__Output> = method('People', 'List')
const set: Method<unknown, unknown> = method('People', 'Set')
const remove: Method<unknown, unknown> = method('People', 'Remove')
const logIn: Method<unknown, LogInResponse__Output> = method('People', 'LogIn')
const resetAdmin: Method<unknown, ResetAdminResponse__Output> = method('People', 'ResetAdmin')
const createToken: Method<unknown, CreateAccessTokenResponse__Output> = method('Tokens', 'Create')
const listTokens: Method<unknown, ListAccessTokensResponse__Output> = method('Tokens', 'List')
const removeToken: Method<unknown, unknown> = method('Tokens', 'Remove')
const whoAmI: Method<unknown, User__Output> = method('Account', 'WhoAmI')
const submit: Method<unknown, SubmitResponse__Output> = method('Runs', 'Submit')
const follow: Method<unknown, FollowEvent__Output> = method('Runs', 'Follow')
const listFiles: Method<unknown, unknown> = method('Files', 'List')
const readFiles: Method<unknown, unknown> = method('Files', 'Read')
const setting: Method<unknown, unknown> = method('Cluster', 'Set')

test.before(async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  t.context = { cluster, admin: cluster.users() }
  await untilLed(t.context.admin)
})
test.after.always(async (t) => {
  await t.context.cluster?.stop()
})

type Context = ExecutionContext<{ readonly cluster: ClusterFixture; readonly admin: Channel }>

/** A new user who has logged in, on the given coordinator or any. */
async function newUser(t: Context, name: string, role = 'member', addresses?: readonly string[]) {
  const { cluster, admin } = t.context
  const { code } = await admin.call(add, { name, role })
  const stranger = cluster.users({ token: '', ...(addresses && { addresses }) })
  const { token } = await stranger.call(logIn, { code, label: 'laptop' })
  return { token, channel: cluster.users({ token, ...(addresses && { addresses }) }) }
}

async function newRun(channel: Channel): Promise<number> {
  return (await channel.call(submit, { requestId: randomUUID(), spec: runSpecToWire(plainSpec) })).runId
}

async function refused(t: Context, promise: Promise<unknown>, code: StatusName, message?: RegExp) {
  const error = await t.throwsAsync(promise, { instanceOf: RpcError })
  t.is(error?.code, code, error?.message)
  if (message) t.regex(error?.message ?? '', message)
}

/** Follows until something is heard; the rest ends in what the result says. */
async function open(channel: Channel, request: object): Promise<{ readonly rest: Promise<unknown> }> {
  const events = channel.serverStream(follow, request)[Symbol.asyncIterator]()
  await events.next()
  const rest = (async () => {
    while (!(await events.next()).done);
  })()
  rest.catch(() => undefined)
  return { rest }
}

const eachCoordinator = (t: Context) => t.context.cluster.coordinators.map(({ userAddress }) => [userAddress])

test.serial('whoever is added logs in with the code, on any coordinator, once', async (t) => {
  const { cluster, admin } = t.context
  for (const [index, addresses] of eachCoordinator(t).entries()) {
    const name = `ann${index}`
    const made = await admin.call(add, { name, email: 'ann@example.org', maxConcurrentRuns: 2 })
    // The leader names itself at once, others when it has heard of them.
    t.true(made.addresses.length > 0)
    t.true(made.addresses.every((address) => eachCoordinator(t).flat().includes(address)))
    t.is(made.caSha256, fingerprint(cluster.ca))
    const stranger = cluster.users({ token: '', addresses })
    const { token, user } = await stranger.call(logIn, { code: made.code })
    t.like(user, { name, role: 'member', email: 'ann@example.org', maxConcurrentRuns: 2 })
    t.is((await cluster.users({ token }).call(whoAmI, {})).name, name)
    await refused(t, stranger.call(logIn, { code: made.code }), 'FAILED_PRECONDITION', /used before/)
    await refused(t, stranger.call(whoAmI, {}), 'UNAUTHENTICATED')
  }
  const { people } = await admin.call(list, {})
  t.like(
    people.find(({ user }) => user?.name === 'ann0'),
    { tokenCount: 1, activeRuns: 0, invitedUntilMs: 0 },
  )
})

test.serial('only an admin sees and changes people', async (t) => {
  const { channel } = await newUser(t, 'mem')
  for (const each of [add, list, set, remove])
    await refused(t, channel.call(each, { name: 'mem' }), 'PERMISSION_DENIED', /needs the role admin/)
})

test.serial('names, roles and addresses that cannot be are refused, each by its field', async (t) => {
  const { admin } = t.context
  const wrong = [
    { name: '' },
    { name: 'a/b' },
    { name: 'a'.repeat(65) },
    { name: 'a b' },
    { name: 'ok', role: 'owner' },
    { name: 'ok', email: 'nobody' },
  ]
  for (const request of wrong) await refused(t, admin.call(add, request), 'INVALID_ARGUMENT')
})

test.serial(
  'removing somebody ends every call of theirs, on the leader and through a follower',
  async (t) => {
    const { admin } = t.context
    for (const [index, addresses] of eachCoordinator(t).entries()) {
      const { channel } = await newUser(t, `gone${index}`, 'member', addresses)
      const runId = await newRun(channel)
      const { rest } = await open(channel, { runId, follow: true, logs: true })
      await admin.call(remove, { name: `gone${index}` })
      await refused(t, rest, 'UNAUTHENTICATED', /token of this call was ended/)
      await refused(t, newRun(channel), 'UNAUTHENTICATED')
      t.is((await open(admin, { runId, follow: false })).rest instanceof Promise, true)
    }
  },
)

test.serial("a role's change counts for calls that go on: they end, and are judged anew", async (t) => {
  const { channel } = await newUser(t, 'changed')
  const runId = await newRun(channel)
  const { rest } = await open(channel, { runId, follow: true, logs: true })
  await t.context.admin.call(set, { name: 'changed', role: 'viewer' })
  await refused(t, rest, 'UNAVAILABLE', /viewer now/)
  await refused(t, newRun(channel), 'PERMISSION_DENIED')
})

test.serial("in a private cluster others' logs and outputs are refused, and rows are not", async (t) => {
  const { admin } = t.context
  const { channel: owner } = await newUser(t, 'owner')
  const { channel: other } = await newUser(t, 'other')
  const runId = await newRun(owner)
  const { rest } = await open(other, { runId, follow: true, logs: true })
  await refused(t, admin.call(setting, { name: 'private', value: 'yes' }), 'INVALID_ARGUMENT')
  await admin.call(setting, { name: 'private', value: 'true' })
  await refused(t, rest, 'UNAVAILABLE')
  const path = `runs/${runId}/`
  const reading = async (channel: Channel) => {
    for await (const _ of channel.serverStream(readFiles, { path, recursive: true }));
  }
  await refused(t, open(other, { runId, logs: true }), 'PERMISSION_DENIED', /is owner's, and this cluster is/)
  await refused(t, other.call(listFiles, { path }), 'PERMISSION_DENIED')
  await refused(t, other.call(listFiles, { path: `resources/${path}` }), 'PERMISSION_DENIED')
  await refused(t, reading(other), 'PERMISSION_DENIED')
  for (const channel of [owner, admin]) {
    await open(channel, { runId, logs: true })
    await channel.call(listFiles, { path })
    await reading(channel)
  }
  await open(other, { runId, follow: true })
  await other.call(method('Runs', 'Get'), { runId })
  await other.call(listFiles, { path: 'runs' })
  await admin.call(setting, { name: 'private', value: 'false' })
  await open(other, { runId, logs: true })
})

test.serial(
  'an access token is worth as much as its maker, bare or with the way to the cluster',
  async (t) => {
    const { cluster } = t.context
    const { channel } = await newUser(t, 'robot', 'viewer')
    const { token, secret, addresses, caSha256 } = await channel.call(createToken, { name: 'ci' })
    t.like(token, { name: 'ci', kind: 'ACCESS_TOKEN', current: false })
    for (const each of [secret, writeToken({ secret, addresses, caSha256 })])
      t.is((await cluster.users({ token: each }).call(whoAmI, {})).name, 'robot')
    const { tokens } = await cluster.users({ token: secret }).call(listTokens, {})
    t.deepEqual(
      tokens.map(({ name, kind, current }) => [name, kind, current]),
      [
        ['laptop', 'LOGIN_TOKEN', false],
        ['ci', 'ACCESS_TOKEN', true],
      ],
    )
    const runId = await newRun(t.context.admin)
    const { rest } = await open(cluster.users({ token: secret }), { runId, follow: true })
    await channel.call(removeToken, { name: 'ci' })
    await refused(t, rest, 'UNAUTHENTICATED')
    await refused(t, channel.call(createToken, { name: 'a\nb' }), 'INVALID_ARGUMENT')
    t.is((await channel.call(whoAmI, {})).name, 'robot')
  },
)

test.serial("a lost admin is remade by whoever has the cluster's key, and no token", async (t) => {
  const { cluster } = t.context
  const key = readClusterKey(`${cluster.folder}/cluster.key`)
  for (const addresses of eachCoordinator(t)) {
    const stranger = cluster.users({ token: '', addresses })
    const proof = seal(key, 'reset admin', JSON.stringify({ name: 'found' }))
    const { sealed } = await stranger.call(resetAdmin, { proof })
    const answer = JSON.parse(unseal(key, 'admin reset', sealed))
    t.is(answer.caSha256, fingerprint(cluster.ca))
    t.is((await stranger.call(logIn, { code: answer.code })).user?.role, 'admin')
    await refused(t, stranger.call(resetAdmin, { proof: 'nonsense' }), 'PERMISSION_DENIED')
  }
})
