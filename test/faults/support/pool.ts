import { createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueCertificate, type KeyedCertificate, makeAuthority } from '../../../common/certificates.js'
import type { Etcd } from '../../../coordinator/store/etcd.js'
import { type Keys, makeKeys } from '../../../coordinator/store/keys.js'
import { Channel } from '../../../proto/channel.js'
import { type CuttingProxy, startCuttingProxy } from '../../fixtures/cutting-proxy.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { Program } from './program.js'

export const adminToken = 'the-admins-token'

/** What all rounds of a file share: an etcd with fsync, and who trusts whom. */
export interface PoolBase {
  readonly folder: string
  readonly etcd: EtcdFixture
  readonly client: Etcd
  readonly ca: string
  readonly tls: { readonly coordinator: object; readonly node: object }
  /** Ports of rounds that go on. */
  readonly ports: Set<number>
  /** For a further node. */
  nodeTls(id: string): Promise<object>
  stop(): Promise<void>
}

export interface PoolOptions {
  readonly leaseTtlSeconds: number
  /** Over the settings of every coordinator. */
  readonly coordinator?: object
  /** Over the agent's. */
  readonly agent?: object
}

/** Two coordinators behind a proxy to etcd, and an agent; none is started yet. */
export interface FaultPool {
  readonly folder: string
  readonly storeDir: string
  readonly keys: Keys
  readonly client: Etcd
  readonly proxy: CuttingProxy
  readonly coordinators: readonly [Program, Program]
  readonly agent: Program
  readonly agentDataDir: string
  /** A further agent, `id` being its name and what its certificate says. */
  addAgent(id: string): Promise<Program>
  /** A channel of its own for the admin, beginning with the coordinator at `first`. */
  open(first?: number): Channel
  programs(): readonly Program[]
  /** Which coordinator etcd says leads. */
  leader(): Promise<Program | undefined>
  stop(): Promise<void>
}

export async function startPoolBase(): Promise<PoolBase> {
  const folder = mkdtempSync(join(tmpdir(), 'spell-faults-'))
  const etcd = await startEtcd()
  const authority = await makeAuthority('test of faults')
  const names = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }
  const issue = (commonName: string) => issueCertificate(authority, { commonName, ...names })
  const write = (name: string, { certificatePem, keyPem }: KeyedCertificate) => {
    const file = (suffix: string, text: string) => {
      const path = join(folder, `${name}.${suffix}`)
      writeFileSync(path, text, { mode: 0o600 })
      return path
    }
    return {
      caFile: file('ca.pem', authority.certificatePem),
      certFile: file('pem', certificatePem),
      keyFile: file('key', keyPem),
    }
  }
  return {
    folder,
    etcd,
    client: etcd.connect({ callTimeoutMs: 10_000 }),
    ca: authority.certificatePem,
    tls: {
      coordinator: write('coordinator', await issue('coordinator:c')),
      node: write('node', await issue('node:n1')),
    },
    ports: new Set(),
    nodeTls: async (id) => write(id, await issue(`node:${id}`)),
    async stop() {
      await etcd.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** A cluster of its own in the shared etcd: `name` is its prefix there. */
export async function makePool(base: PoolBase, name: string, options: PoolOptions): Promise<FaultPool> {
  const folder = mkdtempSync(join(base.folder, `${name}-`))
  const storeDir = join(folder, 'store')
  const agentDataDir = join(folder, 'node')
  const prefix = `${name}/`
  const keys = makeKeys(prefix)
  const proxy = await startCuttingProxy(base.etcd.port)
  const ports = await takePorts(base, 4)
  const address = (index: number) => `127.0.0.1:${ports[index]}`
  const shared = {
    ...{ clusterName: name, storeDir, tls: base.tls.coordinator, leaseTtlSeconds: options.leaseTtlSeconds },
    etcd: { endpoints: [`127.0.0.1:${proxy.port}`], prefix },
    bootstrapUser: { name: 'ada', tokenSha256: createHash('sha256').update(adminToken).digest('hex') },
    ...options.coordinator,
  }
  const coordinator = (id: string, first: number) =>
    new Program({
      ...{ program: 'coordinator', name: id, folder },
      settings: {
        ...shared,
        ...{ id, dataDir: join(folder, id), userListen: address(first), agentListen: address(first + 1) },
      },
    })
  const coordinators = [coordinator('c1', 0), coordinator('c2', 2)] as const
  const makeAgent = (id: string, dataDir: string, tls: object) =>
    new Program({
      ...{ program: 'node-agent', name: id, folder },
      settings: {
        ...{ name: id, dataDir, coordinators: [address(1), address(3)], tls },
        ...{ runtime: 'dummy', cpus: 24, memoryBytes: 512e9, journal: { segmentBytes: 1 << 18 } },
        ...options.agent,
      },
    })
  const agent = makeAgent('n1', agentDataDir, base.tls.node)
  const further: Program[] = []
  const programs = () => [...coordinators, agent, ...further]
  const channels: Channel[] = []
  return {
    ...{ folder, storeDir, keys, client: base.client, proxy, coordinators, agent, agentDataDir, programs },
    async addAgent(id) {
      const made = makeAgent(id, join(folder, id), await base.nodeTls(id))
      further.push(made)
      return made
    },
    open(first = 0) {
      const addresses = first % 2 === 0 ? [address(0), address(2)] : [address(2), address(0)]
      const channel = new Channel({ addresses, tls: { ca: base.ca }, token: adminToken })
      channels.push(channel)
      return channel
    },
    async leader() {
      const { entries } = await base.client.transact({ compares: [], reads: [keys.leader] })
      const id: unknown = entries[0] && JSON.parse(entries[0].value).id
      return coordinators.find((one) => one.name === id)
    },
    async stop() {
      for (const channel of channels) channel.close()
      await Promise.all(programs().map((program) => program.signal('SIGKILL')))
      await proxy.close()
      for (const port of ports) base.ports.delete(port)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Below those that the system gives to outgoing connections, so that a program finds its own free when it comes back. */
async function takePorts(base: PoolBase, count: number): Promise<readonly number[]> {
  const taken: number[] = []
  while (taken.length < count) {
    const port = randomInt(10_000, 32_000)
    if (base.ports.has(port) || !(await isFree(port))) continue
    base.ports.add(port)
    taken.push(port)
  }
  return taken
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1')
  try {
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
