import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import test from 'ava'
import { isExpired } from '../../common/certificate-files.js'
import { commonNameOf, fingerprint, issueCertificate, namesIn } from '../../common/certificates.js'
import { systemClock } from '../../common/clock.js'
import { messageOf, RpcError } from '../../common/errors.js'
import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import { type Method, method } from '../../proto/wire.js'
import { type ClusterFixture, startCluster } from '../fixtures/coordinator.js'
import { HandNode } from '../fixtures/hand-node.js'
import { untilLed } from './rpc/until-led.js'

const getCluster: Method<unknown, ClusterInfo__Output> = method('Cluster', 'Get')
const createToken: Method<unknown, object> = method('JoinTokens', 'Create')
const secondsADay = 86_400

/** Fingerprint of what a new connection is shown. */
async function shown(address: string, ca: string): Promise<string> {
  const [host = '', port = ''] = address.split(':')
  const socket = connect({ host, port: Number(port), ca, servername: 'localhost' })
  try {
    await new Promise((resolve, reject) => {
      socket.once('secureConnect', resolve).once('error', reject)
    })
    return socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase()
  } finally {
    socket.destroy()
  }
}

const file = ({ folder }: ClusterFixture, id: string) => readFileSync(join(folder, `${id}.pem`), 'utf8')

test('leader and follower renew their certificates and serve them, and nobody is cut off', async (t) => {
  const cluster = await startCluster({
    ...{ coordinators: 2, etcdTls: true },
    settings: { renewal: { afterMs: 1, lookEveryMs: 300 } },
  })
  t.teardown(cluster.stop)
  const before = new Map(cluster.coordinators.map(({ id }) => [id, file(cluster, id)]))
  const users = cluster.users()
  await untilLed(users)
  const { leaderId } = await users.call(getCluster, {})
  const leader = cluster.coordinators.find(({ id }) => id === leaderId)
  const nodes = await cluster.nodes('n1', { addresses: [leader?.agentAddress ?? ''] })
  const node = await HandNode.start(nodes, { nodeId: 'n1' })
  t.teardown(() => node.cancel())
  for (const { id, userAddress } of cluster.coordinators) {
    const old = before.get(id) ?? ''
    let now = await shown(userAddress, cluster.ca)
    while (now === fingerprint(old)) {
      await users.call(getCluster, {})
      now = await shown(userAddress, cluster.ca)
    }
    const written = file(cluster, id)
    t.not(written, old)
    t.is(commonNameOf(written), `coordinator:${id}`)
    t.deepEqual(namesIn(written), namesIn(old))
  }
  await t.notThrowsAsync(node.heartbeat(), 'the link is the one that was there before')
})

test('a coordinator whose first certificate is over goes on, with etcd too', async (t) => {
  const cluster = await startCluster({
    ...{ etcdTls: true, certificateDays: 6 / secondsADay },
    settings: { renewal: { afterMs: 1_000, lookEveryMs: 200 }, leaseTtlSeconds: 2 },
  })
  t.teardown(cluster.stop)
  const first = file(cluster, 'c1')
  const users = cluster.users()
  await untilLed(users)
  while (!isExpired(first, systemClock)) await users.call(getCluster, {})
  // Whoever comes back to etcd has to show its certificate anew.
  await cluster.etcd.restart()
  for (;;) {
    const error = await users.call(createToken, { kind: 'JOIN_NODE' }).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined) break
    t.true(error instanceof RpcError && error.code === 'UNAVAILABLE', messageOf(error))
  }
  t.is((await users.call(getCluster, {})).leaderId, 'c1')
})

/** Where a coordinator that can't get into etcd finds somebody who signs. */
const helpers: readonly (readonly [string, object, boolean])[] = [
  ['by another one that it had known', { authorityKeyFile: undefined }, true],
  ["with the authority's key, where nobody else is there", {}, false],
]
for (const [how, settings, knowsOthers] of helpers)
  test(`a coordinator that was off until its certificate was over has it renewed ${how}`, async (t) => {
    const cluster = await startCluster({ etcdTls: true })
    t.teardown(cluster.stop)
    await untilLed(cluster.users())
    const expired = await issueCertificate(cluster.authority, {
      ...{ commonName: 'coordinator:c9', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
      clock: { ...systemClock, now: () => Date.now() - 40 * secondsADay * 1_000 },
    })
    const path = (name: string) => join(cluster.folder, name)
    for (const name of ['c9', 'etcd-member']) {
      writeFileSync(path(`${name}.pem`), expired.certificatePem)
      writeFileSync(path(`${name}.key`), expired.keyPem)
    }
    mkdirSync(path('c9'))
    const others = cluster.coordinators.map(({ userAddress }) => userAddress)
    if (knowsOthers) writeFileSync(path('c9/coordinators.json'), JSON.stringify(others))
    const also = [{ certFile: path('etcd-member.pem'), keyFile: path('etcd-member.key') }]
    const late = await cluster.another('c9', { renewal: { also }, ...settings })
    for (const name of ['c9', 'etcd-member']) t.false(isExpired(file(cluster, name), systemClock), name)
    t.is(await shown(late.userAddress, cluster.ca), fingerprint(file(cluster, 'c9')))
    const users = cluster.users({ addresses: [late.userAddress] })
    await untilLed(users)
    t.is((await users.call(getCluster, {})).leaderId, 'c1', 'it has got into etcd')
  })
