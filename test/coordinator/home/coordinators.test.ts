import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { messageOf, RpcError } from '../../../common/errors.js'
import type { BackupPart__Output } from '../../../proto/gen/spell/v1/BackupPart.js'
import type { ClusterInfo__Output } from '../../../proto/gen/spell/v1/ClusterInfo.js'
import type { HasObjectResponse__Output } from '../../../proto/gen/spell/v1/HasObjectResponse.js'
import type { HeadResponse__Output } from '../../../proto/gen/spell/v1/HeadResponse.js'
import { type Method, method } from '../../../proto/wire.js'
import { type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { untilLed } from '../rpc/until-led.js'

const getCluster: Method<unknown, ClusterInfo__Output> = method('Cluster', 'Get')
const head: Method<unknown, HeadResponse__Output> = method('StoredObjects', 'Head')
const hasObject: Method<unknown, HasObjectResponse__Output> = method('Files', 'HasObject')
const backup: Method<unknown, BackupPart__Output> = method('Keeping', 'Backup')

async function withHome(t: ExecutionContext): Promise<ClusterFixture> {
  const cluster = await startCluster({ settings: { storeHome: 'c1' } })
  t.teardown(cluster.stop)
  await untilLed(cluster.users())
  const { certificatePem, keyPem } = await cluster.certificate('coordinator:c2')
  writeFileSync(join(cluster.folder, 'c2.pem'), certificatePem)
  writeFileSync(join(cluster.folder, 'c2.key'), keyPem, { mode: 0o600 })
  return cluster
}

test('a coordinator whose store is at home on another one says so, and stores nothing of its own', async (t) => {
  const cluster = await withHome(t)
  const second = await cluster.another('c2', { storeDir: undefined })
  // The home serves it whether it leads or not; now it does neither.
  await cluster.coordinators[0]?.stop()
  const users = cluster.users({ addresses: [second.userAddress] })
  await untilLed(users)
  t.is((await users.call(getCluster, {})).coordinators.find(({ leader }) => leader)?.id, 'c2')
  for await (const { facts } of users.serverStream(backup, {})) {
    t.like(facts, { storeHome: 'c1', storeDirectory: '' })
    break
  }
  const name = `code/${'0'.repeat(64)}`
  const error = await t.throwsAsync(users.call(hasObject, { name }), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  t.regex(error?.message ?? '', /^The store is away: its home, the coordinator c1/)
})

test("neither a node nor a user gets at another coordinator's way to the store", async (t) => {
  const cluster = await withHome(t)
  const nodes = await cluster.nodes('n1')
  const asNode = await t.throwsAsync(nodes.call(head, { name: 'x' }), { instanceOf: RpcError })
  t.is(asNode?.code, 'PERMISSION_DENIED')
  const [first] = cluster.coordinators
  const atAgentsPort = cluster.users({ addresses: [first?.agentAddress ?? ''] })
  const withoutCertificate = await t.throwsAsync(atAgentsPort.call(head, { name: 'x' }), {
    instanceOf: RpcError,
  })
  t.is(withoutCertificate?.code, 'UNAVAILABLE', 'TLS lets nobody in who shows none')
  const asAdmin = await t.throwsAsync(cluster.users().call(head, { name: 'x' }), { instanceOf: RpcError })
  t.is(asAdmin?.code, 'UNIMPLEMENTED')
  const { certificatePem, keyPem } = await cluster.certificate('coordinator:c2')
  const tls = { ca: cluster.ca, certificate: certificatePem, key: keyPem }
  const asCoordinator = cluster.users({ addresses: [first?.agentAddress ?? ''], tls })
  t.is((await asCoordinator.call(head, { name: 'x' })).head, null)
})

test('of a new cluster only the store-keeping coordinator can be the first leader', async (t) => {
  const cluster = await startCluster({ settings: { storeHome: 'elsewhere', storeDir: undefined } })
  t.teardown(cluster.stop)
  for (;;) {
    const said = await cluster
      .users()
      .call(getCluster, {})
      .then(() => 'it leads', messageOf)
    if (/^No coordinator leads/.test(said)) continue
    return t.regex(
      said,
      /its store is made by the coordinator that is its home, elsewhere: start that one first/,
    )
  }
})
