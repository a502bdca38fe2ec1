import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { isExpired } from '../../common/certificate-files.js'
import { certify, commonNameOf, makeKeyPair } from '../../common/certificates.js'
import { systemClock } from '../../common/clock.js'
import type { ListNodesResponse__Output } from '../../proto/gen/spell/v1/ListNodesResponse.js'
import { type Method, method } from '../../proto/wire.js'
import { untilLed } from '../coordinator/rpc/until-led.js'
import { startCluster } from '../fixtures/coordinator.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { AgentInside } from './fixtures/agent-inside.js'

const listNodes: Method<unknown, ListNodesResponse__Output> = method('Cluster', 'ListNodes')
const dayMs = 86_400_000

/** A cluster and an agent whose certificate was issued so many days ago. */
async function prepare(t: ExecutionContext, ageDays: number) {
  const cluster = await startCluster()
  t.teardown(cluster.stop)
  const users = cluster.users()
  await untilLed(users)
  const folder = await temporaryFolder(t)
  const { publicKeyPem, keyPem } = await makeKeyPair()
  const tls = {
    caFile: join(folder, 'ca.pem'),
    certFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
  }
  const issued = await certify(cluster.authority, publicKeyPem, {
    ...{ commonName: 'node:n1', dnsNames: [], ipAddresses: [] },
    clock: { ...systemClock, now: () => Date.now() - ageDays * dayMs },
  })
  writeFileSync(tls.caFile, cluster.ca)
  writeFileSync(tls.certFile, issued)
  writeFileSync(tls.keyFile, keyPem, { mode: 0o600 })
  const agent = new AgentInside(folder, {
    coordinators: cluster.coordinators.map(({ agentAddress }) => agentAddress),
    ...{ tls, runtime: 'dummy', journal: { segmentBytes: 1 << 18 } },
  })
  t.teardown(() => agent.stop())
  const untilConnected = async () => {
    while (!(await users.call(listNodes, {})).nodes[0]?.connected);
  }
  const certificate = () => readFileSync(tls.certFile, 'utf8')
  return { cluster, users, agent, untilConnected, certificate, issued, folder }
}

test('an agent renews its certificate while it is connected, where the hello says', async (t) => {
  const { agent, untilConnected, certificate, issued, users, cluster, folder } = await prepare(t, 11)
  agent.start({ renewal: { lookEveryMs: 50 } })
  await untilConnected()
  while (certificate() === issued) await users.call(listNodes, {})
  t.is(commonNameOf(certificate()), 'node:n1')
  t.true((await users.call(listNodes, {})).nodes[0]?.connected)
  const kept: unknown = JSON.parse(readFileSync(join(folder, 'data/user-addresses.json'), 'utf8'))
  t.deepEqual(kept, [cluster.coordinators[0]?.userAddress])
})

test('an agent whose certificate has expired renews it by itself and links', async (t) => {
  const { agent, untilConnected, certificate, issued, cluster } = await prepare(t, 40)
  t.true(isExpired(issued, systemClock))
  agent.start({ userAddresses: cluster.coordinators.map(({ userAddress }) => userAddress) })
  await untilConnected()
  t.false(isExpired(certificate(), systemClock))
})
