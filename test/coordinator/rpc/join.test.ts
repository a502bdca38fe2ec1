import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { commonNameOf, fingerprint, makeKeyPair, namesIn } from '../../../common/certificates.js'
import { RpcError } from '../../../common/errors.js'
import { proveKey } from '../../../common/key-proof.js'
import { readClusterKey } from '../../../common/sealing.js'
import type { ClusterInfo__Output } from '../../../proto/gen/spell/v1/ClusterInfo.js'
import type { CreateJoinTokenResponse__Output } from '../../../proto/gen/spell/v1/CreateJoinTokenResponse.js'
import type { JoinCoordinatorResponse__Output } from '../../../proto/gen/spell/v1/JoinCoordinatorResponse.js'
import type { JoinNodeResponse__Output } from '../../../proto/gen/spell/v1/JoinNodeResponse.js'
import type { ListJoinTokensResponse__Output } from '../../../proto/gen/spell/v1/ListJoinTokensResponse.js'
import type { RenewResponse__Output } from '../../../proto/gen/spell/v1/RenewResponse.js'
import { type Method, method } from '../../../proto/wire.js'
import { type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { HandNode } from '../../fixtures/hand-node.js'
import { untilLed } from './until-led.js'

const test = anyTest as TestFn<{ cluster: ClusterFixture }>

const create: Method<unknown, CreateJoinTokenResponse__Output> = method('JoinTokens', 'Create')
const list: Method<unknown, ListJoinTokensResponse__Output> = method('JoinTokens', 'List')
const revoke: Method<unknown, object> = method('JoinTokens', 'Revoke')
const joinNode: Method<unknown, JoinNodeResponse__Output> = method('Join', 'Node')
const joinCoordinator: Method<unknown, JoinCoordinatorResponse__Output> = method('Join', 'Coordinator')
const getCluster: Method<unknown, ClusterInfo__Output> = method('Cluster', 'Get')
const renew: Method<unknown, RenewResponse__Output> = method('Join', 'Renew')

test.before(async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  t.context = { cluster }
  await untilLed(cluster.users())
})
test.after.always(async (t) => {
  await t.context.cluster?.stop()
})

async function newClaim(token: string) {
  const { keyPem, publicKeyPem } = await makeKeyPair()
  const claim = { token, publicKeyPem, signature: proveKey(keyPem, { kind: 'join', token }) }
  return { keyPem, claim }
}

/** Says hello to the leader with this certificate. */
async function greet(cluster: ClusterFixture, nodeId: string, certificate: string, key: string) {
  const { leaderId } = await cluster.users().call(getCluster, {})
  const leader = cluster.coordinators.find(({ id }) => id === leaderId)
  const tls = { ca: cluster.ca, certificate, key }
  const channel = await cluster.nodes(nodeId, { addresses: [leader?.agentAddress ?? ''], tls })
  const node = await HandNode.start(channel, { nodeId })
  node.cancel()
}

test.serial(
  'a node joins on any coordinator without an account, links, and renews its certificate',
  async (t) => {
    const { cluster } = t.context
    for (const [index, { userAddress }] of cluster.coordinators.entries()) {
      const { token, caSha256, addresses } = await cluster.users().call(create, { kind: 'JOIN_NODE' })
      t.is(caSha256, fingerprint(cluster.ca))
      t.true(addresses.length > 0)
      for (const address of addresses) t.true(cluster.coordinators.some((one) => one.userAddress === address))
      const anyone = cluster.users({ addresses: [userAddress], token: 'nobody-has-this' })
      const { keyPem, claim } = await newClaim(token)
      const request = { ...claim, name: `box${index}`, machineId: 'm' }
      const joined = await anyone.call(joinNode, request)
      t.is((await anyone.call(joinNode, request)).nodeId, joined.nodeId)
      t.like(joined, { clusterName: 'test', caPem: cluster.ca, machineType: '' })
      t.is(joined.coordinators.length, joined.userAddresses.length)
      t.true(joined.userAddresses.length > 0)
      const { nodeId, certificatePem } = joined
      await t.notThrowsAsync(greet(cluster, nodeId, certificatePem, keyPem))
      const signature = proveKey(keyPem, { kind: 'renew', certificatePem })
      const renewed = await anyone.call(renew, { certificatePem, signature })
      t.is(commonNameOf(renewed.certificatePem), `node:${nodeId}`)
      t.not(fingerprint(renewed.certificatePem), fingerprint(certificatePem))
      await t.notThrowsAsync(greet(cluster, nodeId, renewed.certificatePem, keyPem))
    }
  },
)

test.serial('a coordinator that joins gets the cluster key and what it needs to start', async (t) => {
  const { cluster } = t.context
  const { token } = await cluster.users().call(create, { kind: 'JOIN_COORDINATOR' })
  const { claim } = await newClaim(token)
  const where = {
    userAddress: 'c3.example.org:7000',
    agentAddress: '10.0.0.3:7001',
    names: ['pool.example.org'],
  }
  const joined = await cluster
    .users({ token: 'none' })
    .call(joinCoordinator, { ...claim, ...where, id: 'c3' })
  t.is(commonNameOf(joined.certificatePem), 'coordinator:c3')
  const { dnsNames, ipAddresses } = namesIn(joined.certificatePem)
  for (const name of ['c3.example.org', 'pool.example.org']) t.true(dnsNames.includes(name))
  t.true(ipAddresses.includes('10.0.0.3'))
  t.deepEqual(joined.clusterKey, readClusterKey(join(cluster.folder, 'cluster.key')))
  t.like(joined, {
    etcdEndpoints: [cluster.etcd.endpoint],
    etcdPrefix: 'spell/',
    etcdMaxOperations: 128,
    storeDirectory: cluster.storeDir,
    storeHome: '',
  })
  t.true(joined.coordinators.some(({ id }) => id === joined.leaderId))
})

const bad: readonly (readonly [string, object, RegExp])[] = [
  ['a name with a slash', { name: 'a/b' }, /cannot be the name of a node/],
  ['no name', { name: '' }, /cannot be the name of a node/],
  ['a machine id of two lines', { machineId: 'a\nb' }, /machine's id/],
]
for (const [what, changes, message] of bad)
  test.serial(`joining with ${what} is refused and spends nothing`, async (t) => {
    const { cluster } = t.context
    const { token, id } = await cluster.users().call(create, { kind: 'JOIN_NODE' })
    const { claim } = await newClaim(token)
    const request = { ...claim, name: 'fine', machineId: '', ...changes }
    const error = await t.throwsAsync(cluster.users().call(joinNode, request), { message })
    t.is(error instanceof RpcError && error.code, 'INVALID_ARGUMENT')
    const { tokens } = await cluster.users().call(list, {})
    t.is(tokens.find((one) => one.id === id)?.spent, 0)
  })

const badCoordinators: readonly (readonly [string, object, RegExp])[] = [
  ['an address without a port', { userAddress: 'c4' }, /"c4" is no address/],
  ['a port that is none', { agentAddress: 'c4:70000' }, /is no address/],
  ['a name that is none', { names: ['*'] }, /"\*" is no host name/],
  ['too many names', { names: Array.from({ length: 33 }, (_, at) => `n${at}`) }, /at most 32 names/],
  ['a bad id', { id: 'c 4' }, /cannot be the name of a coordinator/],
  ['an id that is taken', { id: 'c1' }, /has a coordinator c1 already/],
]
for (const [what, changes, message] of badCoordinators)
  test.serial(`a coordinator that joins with ${what} is refused`, async (t) => {
    const { cluster } = t.context
    const { token } = await cluster.users().call(create, { kind: 'JOIN_COORDINATOR' })
    const { claim } = await newClaim(token)
    const usual = { id: 'c4', userAddress: 'c4:7000', agentAddress: 'c4:7001', names: [] }
    const request = { ...claim, ...usual, ...changes }
    await t.throwsAsync(cluster.users().call(joinCoordinator, request), { message })
  })

const badTokens: readonly (readonly [object, RegExp])[] = [
  [{}, /for a node or for a coordinator/],
  [{ kind: 'JOIN_NODE', uses: 1_001 }, /at most 1000 machines/],
  [{ kind: 'JOIN_NODE', ttlSeconds: 31 * 86_400 }, /at most 30 days/],
  [{ kind: 'JOIN_COORDINATOR', machineType: 'CPU' }, /Only nodes/],
  [{ kind: 'JOIN_NODE', machineType: 'a\u0007' }, /cannot be the name of a machine type/],
]
test.serial('tokens are made within limits, listed and revoked', async (t) => {
  const admin = t.context.cluster.users()
  for (const [request, message] of badTokens) await t.throwsAsync(admin.call(create, request), { message })
  const made = await admin.call(create, { kind: 'JOIN_NODE', uses: 4, ttlSeconds: 60, machineType: 'V100' })
  const { tokens } = await admin.call(list, {})
  const usual = { kind: 'JOIN_NODE', uses: 4, spent: 0, creator: 'ada', machineType: 'V100' }
  t.like(tokens[0], { ...usual, id: made.id, expiresAtMs: made.expiresAtMs })
  t.is(made.expiresAtMs - (tokens[0]?.createdAtMs ?? 0), 60_000)
  await admin.call(revoke, { id: made.id })
  const left = (await admin.call(list, {})).tokens
  t.false(left.some(({ id }) => id === made.id))
  await t.throwsAsync(admin.call(revoke, { id: made.id }), { message: /There is no join token/ })
})

test.serial('after the leader has gone the other one knows the token and signs', async (t) => {
  const { cluster } = t.context
  const { token } = await cluster.users().call(create, { kind: 'JOIN_NODE', uses: 2 })
  const { claim, keyPem } = await newClaim(token)
  const request = { ...claim, name: 'across', machineId: '' }
  const { nodeId } = await cluster.users().call(joinNode, request)
  const { leaderId } = await cluster.users().call(getCluster, {})
  const leader = cluster.coordinators.find(({ id }) => id === leaderId)
  rmSync(join(cluster.folder, 'ca.key'))
  await leader?.stop()
  const rest = cluster.coordinators.filter((one) => one !== leader).map(({ userAddress }) => userAddress)
  const users = cluster.users({ addresses: rest })
  await untilLed(users)
  const again = await users.call(joinNode, request)
  t.is(again.nodeId, nodeId)
  t.is(commonNameOf(again.certificatePem), `node:${nodeId}`)
  t.is((await users.call(list, {})).tokens.find(({ uses }) => uses === 2)?.spent, 1)
  const { certificatePem } = again
  const signature = proveKey(keyPem, { kind: 'renew', certificatePem })
  await t.notThrowsAsync(users.call(renew, { certificatePem, signature }))
})

test.serial('etcd has neither a token nor the key of the authority in clear', async (t) => {
  const { cluster } = t.context
  const { token } = await cluster.users().call(create, { kind: 'JOIN_NODE' })
  const data = filesUnder(cluster.etcd.folder)
  const keyText = cluster.authority.keyPem.split('\n').slice(1, -2)
  const secrets = [token, ...keyText, readFileSync(join(cluster.folder, 'cluster.key'), 'utf8').trim()]
  const found = data.filter(({ bytes }) => bytes.includes('secret/ca-key'))
  t.true(found.length > 0, 'what is looked for is kept there')
  for (const { name, bytes } of data)
    for (const secret of secrets) t.false(bytes.includes(secret), `${name} has a secret`)
})

function filesUnder(folder: string): readonly { readonly name: string; readonly bytes: Buffer }[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => ({ name, bytes: readFileSync(name) }))
}
