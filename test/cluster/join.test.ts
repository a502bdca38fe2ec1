import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { makeKeyPair } from '../../common/certificates.js'
import { systemClock } from '../../common/clock.js'
import { proveKey } from '../../common/key-proof.js'
import { connectEtcd } from '../../coordinator/store/etcd-client.js'
import { Channel } from '../../proto/channel.js'
import type { CreateJoinTokenResponse__Output } from '../../proto/gen/spell/v1/CreateJoinTokenResponse.js'
import type { JoinNodeResponse__Output } from '../../proto/gen/spell/v1/JoinNodeResponse.js'
import type { ListNodesResponse__Output } from '../../proto/gen/spell/v1/ListNodesResponse.js'
import { type Method, method } from '../../proto/wire.js'
import { startCluster, type TestCluster } from '../fixtures/cluster.js'

const create: Method<unknown, CreateJoinTokenResponse__Output> = method('JoinTokens', 'Create')
const joinNode: Method<unknown, JoinNodeResponse__Output> = method('Join', 'Node')
const listNodes: Method<unknown, ListNodesResponse__Output> = method('Cluster', 'ListNodes')

const program = fileURLToPath(new URL('../../node-agent/main.js', import.meta.url))

async function admin(t: ExecutionContext, cluster: TestCluster): Promise<Channel> {
  const channel = new Channel({
    addresses: [(await cluster.process('coordinator-1')).address ?? ''],
    tls: { ca: readFileSync(join(cluster.dir, 'trust/ca.pem'), 'utf8') },
    token: readFileSync(join(cluster.dir, 'trust/admin-token'), 'utf8').trim(),
  })
  t.teardown(() => channel.close())
  return channel
}

/** Files of a machine that has joined. */
async function joined(t: ExecutionContext, cluster: TestCluster) {
  const channel = await admin(t, cluster)
  const { token } = await channel.call(create, { kind: 'JOIN_NODE' })
  const { publicKeyPem, keyPem } = await makeKeyPair()
  const signature = proveKey(keyPem, { kind: 'join', token })
  const request = { token, publicKeyPem, signature, name: 'further', machineId: 'm' }
  const answer = await channel.call(joinNode, request)
  const file = (name: string, content: string) => {
    const path = join(cluster.dir, `further-${name}`)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const tls = {
    caFile: file('ca.pem', answer.caPem),
    certFile: file('cert.pem', answer.certificatePem),
    keyFile: file('key.pem', keyPem),
  }
  return { channel, answer, tls, keyPem }
}

test('a further machine joins a cluster of one machine', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const { channel, answer, tls } = await joined(t, cluster)
  const settings = {
    ...{ name: 'further', tls, runtime: 'dummy', cpus: 500, coordinators: answer.coordinators },
    dataDir: join(cluster.dir, 'further'),
  }
  const settingsFile = join(cluster.dir, 'further.json')
  writeFileSync(settingsFile, JSON.stringify(settings))
  const agent = spawn(process.execPath, [program, '--settings', settingsFile], { stdio: 'ignore' })
  t.teardown(() => agent.kill('SIGKILL'))
  for (;;) {
    const { nodes } = await channel.call(listNodes, {})
    if (nodes.find(({ id }) => id === answer.nodeId)?.connected) break
  }
  const { nodes } = await channel.call(listNodes, {})
  t.deepEqual(nodes.map(({ name }) => name).sort(), ['further', 'node-1'])
})

test("a node's certificate opens no etcd, a coordinator's does", async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const { answer, keyPem } = await joined(t, cluster)
  const ca = readFileSync(join(cluster.dir, 'trust/ca.pem'))
  const endpoints = [(await cluster.process('etcd')).address ?? '']
  const read = async (certificate: Buffer, key: Buffer) => {
    const etcd = connectEtcd({ endpoints, tls: { ca, certificate, key }, callTimeoutMs: 5_000 }, systemClock)
    try {
      return (await etcd.range({ prefix: 'spell/', limit: 10 })).entries.length
    } finally {
      etcd.close()
    }
  }
  const trust = (name: string) => readFileSync(join(cluster.dir, 'trust', name))
  await t.throwsAsync(read(Buffer.from(answer.certificatePem), Buffer.from(keyPem)))
  await t.throwsAsync(read(trust('node-1.pem'), trust('node-1-key.pem')))
  t.true((await read(trust('coordinator-1.pem'), trust('coordinator-1-key.pem'))) > 0)
})
