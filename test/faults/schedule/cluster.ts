import { createHash, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import type { Etcd } from '../../../coordinator/store/etcd.js'
import { type Keys, makeKeys } from '../../../coordinator/store/keys.js'
import { Channel } from '../../../proto/channel.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { type LinkProxy, startLinkProxy } from '../../fixtures/link-proxy.js'
import { whoConnects } from '../../fixtures/who-connects.js'
import { Program } from '../support/program.js'
import { Kept } from './kept.js'
import { Machine } from './machine.js'

const adminToken = 'the-admins-token'

/** The times of all schedules, shortened. Milliseconds. */
export const times = {
  leaseTtlSeconds: 2,
  suspectAfterMs: 1_000,
  lostAfterMs: 4_000,
  heartbeatIntervalMs: 300,
  graceMs: 500,
} as const

/**
 * Whoever connects: `c1`, `c2`, `n1`, `n2`, `n3`, or `user`. Whoever is connected to: `etcd`, `c1`, `c2`. Faults that go on
 * side by side may cut the same link: it is whole again when each has healed what it did to it.
 */
export interface Links {
  cut(from: string, to: string): void
  stall(from: string, to: string): void
  heal(from: string, to: string): void
  /** Everything that was cut or stalled. */
  healAll(): void
  readonly etcd: LinkProxy
  /** What users connect to. Followers that forward, and whoever has an address from a coordinator, come by others. */
  readonly users: Readonly<Record<string, LinkProxy>>
  /** What agents connect to. */
  readonly agents: Readonly<Record<string, LinkProxy>>
}

/** One etcd, two coordinators, three nodes, every connection between them through a proxy. */
export interface ScheduleCluster {
  readonly folder: string
  readonly storeDir: string
  readonly keys: Keys
  readonly etcd: EtcdFixture
  /** Not through a proxy. */
  readonly client: Etcd
  readonly links: Links
  readonly coordinators: readonly [Kept, Kept]
  readonly machines: readonly Machine[]
  readonly agents: readonly Kept[]
  /** For the admin, beginning with the coordinator at `first`. */
  open(first: number): Channel
  /** Which coordinator etcd says leads; undefined: none, or etcd does not answer. */
  leader(): Promise<Kept | undefined>
  /** In etcd: every program's last sentences. */
  lastLines(count: number): readonly string[]
  stop(): Promise<void>
}

export async function startScheduleCluster(): Promise<ScheduleCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'spell-schedule-'))
  const storeDir = join(folder, 'store')
  const etcd = await startEtcd()
  const client = etcd.connect({ callTimeoutMs: 2_000 })
  const keys = makeKeys('spell/')
  const trust = await makeTrust(folder)
  const pids = new Map<number, string>()
  const whoIs = (socket: Parameters<typeof whoConnects>[0]) => {
    pids.clear()
    for (const { program } of [...coordinators, ...agents]) pids.set(program.pid, program.name)
    pids.set(process.pid, 'user')
    return whoConnects(socket, pids)
  }
  const ports = await takePorts(4)
  const etcdProxy = await startLinkProxy(etcd.port, whoIs)
  // Users have their own: to find out who connects takes the system long where many do.
  const isUser = () => 'user'
  const users = [await startLinkProxy(ports[0], isUser), await startLinkProxy(ports[2], isUser)] as const
  const forwards = [await startLinkProxy(ports[0], whoIs), await startLinkProxy(ports[2], whoIs)] as const
  const links = [await startLinkProxy(ports[1], whoIs), await startLinkProxy(ports[3], whoIs)] as const
  const proxies: Readonly<Record<string, readonly LinkProxy[]>> = {
    etcd: [etcdProxy],
    c1: [users[0], forwards[0], links[0]],
    c2: [users[1], forwards[1], links[1]],
  }
  const coordinator = (index: 0 | 1) =>
    new Kept(
      new Program({
        ...{ program: 'coordinator', name: `c${index + 1}`, folder },
        settings: {
          ...{ id: `c${index + 1}`, clusterName: 'faults', storeDir, tls: trust('coordinator:c') },
          ...{ dataDir: join(folder, `c${index + 1}`), leaseTtlSeconds: times.leaseTtlSeconds },
          userListen: local(ports[2 * index]),
          userAddress: local(forwards[index].port),
          agentListen: local(ports[2 * index + 1]),
          agentAddress: local(links[index].port),
          etcd: { endpoints: [local(etcdProxy.port)], prefix: keys.prefix },
          bootstrapUser: { name: 'ada', tokenSha256: sha256(adminToken) },
          limits: limits(),
        },
      }),
    )
  const coordinators = [coordinator(0), coordinator(1)] as const
  const machines = [1, 2, 3].map(
    (number) =>
      new Machine({
        ...{ name: `n${number}`, folder },
        gpuUuids: number === 3 ? [] : [0, 1, 2, 3].map((gpu) => `GPU-${number}-${gpu}`),
        settings: {
          ...{ runtime: 'process', cpus: 16, memoryBytes: 64e9, journal: { segmentBytes: 1 << 16 } },
          ...{ tls: trust(`node:n${number}`), coordinators: links.map(({ port }) => local(port)) },
        },
      }),
  )
  const agents = machines.map(({ agent }) => new Kept(agent))
  const kept = [...coordinators, ...agents]
  const channels: Channel[] = []
  return {
    ...{ folder, storeDir, keys, etcd, client, coordinators, machines, agents },
    links: {
      ...makeLinks(proxies),
      etcd: etcdProxy,
      users: { c1: users[0], c2: users[1] },
      agents: { c1: links[0], c2: links[1] },
    },
    open(first) {
      const addresses = users.map(({ port }) => local(port))
      if (first % 2 === 1) addresses.reverse()
      const channel = new Channel({ addresses, tls: { ca: trust.ca }, token: adminToken })
      channels.push(channel)
      return channel
    },
    async leader() {
      const answer = await client
        .transact({ compares: [], reads: [keys.leader] }, { timeoutMs: 300 })
        .catch(() => undefined)
      const entry = answer?.entries[0]
      const id: unknown = entry && JSON.parse(entry.value).id
      return coordinators.find((one) => one.name === id)
    },
    lastLines: (count) => kept.flatMap(({ program }) => program.lastLines(count)),
    async stop() {
      for (const each of kept) each.leave()
      for (const channel of channels) channel.close()
      await Promise.all(coordinators.map(({ program }) => program.signal('SIGKILL')))
      await Promise.all(machines.map((machine) => machine.stop()))
      await Promise.all(Object.values(proxies).flatMap((each) => each.map((proxy) => proxy.close())))
      await etcd.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function makeLinks(proxies: Readonly<Record<string, readonly LinkProxy[]>>) {
  const harms = new Map<string, { readonly from: string; readonly to: string; count: number }>()
  const harm = (from: string, to: string) => {
    const known = harms.get(`${from} ${to}`) ?? { from, to, count: 0 }
    harms.set(`${from} ${to}`, known)
    return known
  }
  const each = (to: string, action: (proxy: LinkProxy) => void) => {
    for (const proxy of proxies[to] ?? []) action(proxy)
  }
  return {
    cut(from: string, to: string) {
      harm(from, to).count += 1
      each(to, (proxy) => proxy.cut(from))
    },
    stall(from: string, to: string) {
      harm(from, to).count += 1
      each(to, (proxy) => proxy.stall(from))
    },
    heal(from: string, to: string) {
      const known = harm(from, to)
      known.count = Math.max(0, known.count - 1)
      if (known.count === 0) each(to, (proxy) => proxy.heal(from))
    },
    healAll() {
      for (const { from, to } of harms.values()) each(to, (proxy) => proxy.heal(from))
      harms.clear()
    },
  }
}

const local = (port: number | undefined) => `127.0.0.1:${port}`
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

function limits() {
  const { suspectAfterMs, lostAfterMs, heartbeatIntervalMs, graceMs } = times
  const archive = { segmentRuns: 10, segmentAfterMs: 300, recentRuns: 5 }
  return { suspectAfterMs, lostAfterMs, heartbeatIntervalMs, graceMs, archive, allowProcessNodes: true }
}

/** Gives the paths of the files that a program's settings name. */
async function makeTrust(folder: string) {
  const authority = await makeAuthority('test of faults')
  const paths = new Map<string, { caFile: string; certFile: string; keyFile: string }>()
  const trust = join(folder, 'trust')
  mkdirSync(trust)
  for (const commonName of ['coordinator:c', 'node:n1', 'node:n2', 'node:n3']) {
    const issued = await issueCertificate(authority, {
      ...{ commonName, dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] },
    })
    const file = (suffix: string, text: string) => {
      const path = join(trust, `${commonName.replace(':', '-')}.${suffix}`)
      writeFileSync(path, text, { mode: 0o600 })
      return path
    }
    paths.set(commonName, {
      caFile: file('ca', authority.certificatePem),
      certFile: file('pem', issued.certificatePem),
      keyFile: file('key', issued.keyPem),
    })
  }
  return Object.assign((name: string) => paths.get(name), { ca: authority.certificatePem })
}

/** Below those that the system gives to outgoing connections, so that a program finds its own free when it comes back. */
async function takePorts(count: number): Promise<readonly [number, number, number, number]> {
  const taken = new Set<number>()
  while (taken.size < count) {
    const port = randomInt(10_000, 32_000)
    if (await isFree(port)) taken.add(port)
  }
  return [...taken] as unknown as readonly [number, number, number, number]
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
