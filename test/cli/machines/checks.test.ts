import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer as listenTcp } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { EngineInfo, MachineFacts } from '../../../cli/machines/checks/facts.js'
import { findGpuSlots, gatherFacts } from '../../../cli/machines/checks/gather.js'
import { judge, judgeLinks } from '../../../cli/machines/checks/rules.js'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { systemClock } from '../../../common/clock.js'
import { freePorts } from '../../fixtures/free-port.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const gibibyte = 1024 ** 3
const goodEngine: EngineInfo = {
  ServerVersion: '24.0.7',
  LiveRestoreEnabled: true,
  CgroupDriver: 'systemd',
  MemoryLimit: true,
  CpuCfsQuota: true,
  PidsLimit: true,
  Driver: 'overlay2',
}
const good: MachineFacts = {
  platform: 'linux',
  isRoot: true,
  runtime: 'docker',
  socketPath: '/var/run/docker.sock',
  engine: { kind: 'answers', info: goodEngine },
  overlay: true,
  staticBusybox: true,
  git: true,
  disks: [{ use: 'the data of runs', path: '/var/lib/spell/node/data', freeBytes: 500 * gibibyte }],
  coordinators: [{ address: 'alpha:7000', leadsTo: ['10.0.0.1'], trouble: undefined }],
  clockAheadMs: 20,
  gpuSlots: ['0000:01:00.0'],
  driver: { kind: 'lists', gpus: 1 },
  containerToolkit: true,
}

test('a machine with everything has nothing wrong with it', (t) => {
  t.deepEqual(
    judge(good).filter(({ level }) => level !== 'ok'),
    [],
  )
})

test('a machine without GPUs needs nothing for GPUs', (t) => {
  const facts = { ...good, gpuSlots: [], driver: { kind: 'none' } as const, containerToolkit: false }
  t.deepEqual(
    judge(facts).filter(({ level }) => level !== 'ok'),
    [],
  )
})

const finds = test.macro({
  exec: (t, change: Partial<MachineFacts>, level: 'warning' | 'error', sentence: RegExp, remedy: RegExp) => {
    const wrong = judge({ ...good, ...change }).filter((finding) => finding.level !== 'ok')
    t.is(wrong.length, 1, JSON.stringify(wrong))
    t.is(wrong[0]?.level, level)
    t.regex(wrong[0]?.sentence ?? '', sentence)
    t.regex(wrong[0]?.remedy ?? '', remedy)
  },
  title: (title) => `found: ${title}`,
})

const engine = (change: Partial<EngineInfo>): Partial<MachineFacts> => ({
  engine: { kind: 'answers', info: { ...goodEngine, ...change } },
})
const disk = (freeBytes: number) => ({ disks: [{ use: 'the data of runs', path: '/data', freeBytes }] })
const link = (address: string, leadsTo: readonly string[], trouble: string | undefined) => ({
  coordinators: [{ address, leadsTo, trouble }],
})

test(
  'no engine',
  finds,
  { engine: { kind: 'silent', reason: 'there is no socket' } },
  'error',
  /there is no socket/,
  /docker\.io/,
)
test('an old engine', finds, engine({ ServerVersion: '19.03.15' }), 'error', /19\.03\.15 is too old/, /newer/)
test(
  'no live-restore',
  finds,
  engine({ LiveRestoreEnabled: false }),
  'error',
  /live-restore is off/,
  /daemon\.json/,
)
test('no cgroups', finds, engine({ CgroupDriver: 'none' }), 'error', /no cgroups/, /cgroups mounted/)
test(
  'no limit of memory',
  finds,
  engine({ MemoryLimit: false }),
  'error',
  /cannot limit memory/,
  /cgroup_enable/,
)
test('storage by copies', finds, engine({ Driver: 'vfs' }), 'error', /vfs/, /overlay2/)
test('another storage driver', finds, engine({ Driver: 'btrfs' }), 'warning', /btrfs/, /overlay2/)
test(
  'user ids mapped',
  finds,
  engine({ SecurityOptions: ['name=userns'] }),
  'error',
  /maps user ids/,
  /userns-remap/,
)
test('no overlayfs', finds, { overlay: false }, 'error', /no overlayfs/, /modprobe overlay/)
test('no busybox', finds, { staticBusybox: false }, 'error', /busybox/, /busybox-static/)
test('no git', finds, { git: false }, 'warning', /git is not installed/, /apt-get install git/)
test('not root', finds, { isRoot: false }, 'error', /an agent that is root/, /sudo/)
test('processes', finds, { runtime: 'process', engine: undefined }, 'warning', /plain processes/, /Docker/)
test('a full disk', finds, disk(gibibyte), 'error', /Only 1\.0 ?G.* free for the data of runs/, /Make room/)
test('a small disk', finds, disk(10 * gibibyte), 'warning', /Only/, /Make room/)
test(
  'an unknown name',
  finds,
  link('alpha:7000', [], 'its name is not known'),
  'error',
  /name alpha leads nowhere/,
  /\/etc\/hosts/,
)
test(
  'a closed port',
  finds,
  link('alpha:7000', ['10.0.0.1'], 'refused'),
  'error',
  /alpha:7000 cannot be reached: refused/,
  /port 7000 \(TCP\)/,
)
test('a clock a little off', finds, { clockAheadMs: -90_000 }, 'warning', /1m30s behind/, /NTP/)
test('a wrong clock', finds, { clockAheadMs: 3_600_000 }, 'error', /1h0m0s ahead of/, /NTP/)
test('no driver', finds, { driver: { kind: 'none' } }, 'error', /PCI bus \(0000:01:00\.0\)/, /nvidia-driver/)
test(
  'a broken driver',
  finds,
  { driver: { kind: 'fails', reason: 'version mismatch' } },
  'error',
  /version mismatch/,
  /reboot/,
)
test(
  'a GPU that fell off the bus',
  finds,
  { gpuSlots: ['a', 'b'] },
  'warning',
  /lists one GPU, and 2 are/,
  /dmesg/,
)
test(
  'no container toolkit',
  finds,
  { containerToolkit: false },
  'error',
  /cannot give GPUs/,
  /nvidia-container-toolkit/,
)

test('everything wrong is said at once', (t) => {
  const findings = judge({
    ...good,
    ...engine({ LiveRestoreEnabled: false, MemoryLimit: false }),
    git: false,
    overlay: false,
  })
  t.is(findings.filter(({ level }) => level !== 'ok').length, 4)
})

test('one coordinator of two that cannot be reached is a warning', (t) => {
  const coordinators = [
    ...good.coordinators,
    { address: 'beta:7001', leadsTo: ['10.0.0.2'], trouble: 'refused' },
    { address: 'gamma:7001', leadsTo: [], trouble: 'its name is not known' },
  ]
  t.deepEqual(
    judgeLinks({ coordinators }).map(({ level }) => level),
    ['warning', 'ok', 'warning'],
  )
})

test('GPUs are looked for on the PCI bus, not their audio', async (t) => {
  const root = await temporaryFolder(t)
  const device = (slot: string, vendor: string, kind: string) => {
    const folder = join(root, 'sys/bus/pci/devices', slot)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'vendor'), `${vendor}\n`)
    writeFileSync(join(folder, 'class'), `${kind}\n`)
  }
  device('0000:00:02.0', '0x8086', '0x030000')
  device('0000:01:00.0', '0x10de', '0x030000')
  device('0000:01:00.1', '0x10de', '0x040300')
  device('0000:41:00.0', '0x10de', '0x030200')
  t.deepEqual([...findGpuSlots(root)].toSorted(), ['0000:01:00.0', '0000:41:00.0'])
})

test('engine, disks, driver and links are looked at for real', async (t) => {
  const folder = await temporaryFolder(t)
  const socketPath = await startEngine(t, folder, {
    ...goodEngine,
    DockerRootDir: folder,
    Runtimes: { nvidia: {} },
  })
  const program = join(folder, 'nvidia-smi')
  writeFileSync(
    program,
    '#!/bin/sh\necho "GPU 0: Tesla T4 (UUID: GPU-1)"\necho "GPU 1: Tesla T4 (UUID: GPU-2)"\n',
    { mode: 0o755 },
  )
  const open = listenTcp().listen(0, '127.0.0.1')
  t.teardown(() => open.close())
  await new Promise((resolve) => open.once('listening', resolve))
  const { port } = open.address() as { port: number }
  const [closed] = await freePorts(1)
  const dated = await startDated(t, systemClock.now() - 3_600_000)
  const facts = await gatherFacts(
    {
      runtime: 'docker',
      socketPath,
      dataFolder: join(folder, 'not/there/yet'),
      coordinators: [`127.0.0.1:${port}`, `127.0.0.1:${closed}`, 'no-such-host.invalid:7000'],
      clocks: [`127.0.0.1:${closed}`, dated],
      searchPath: [folder],
      root: folder,
    },
    systemClock,
  )
  t.like(facts, { engine: { kind: 'answers' }, driver: { kind: 'lists', gpus: 2 }, containerToolkit: true })
  t.deepEqual(
    facts.disks.map(({ path }) => path),
    [join(folder, 'not/there/yet'), folder],
  )
  const [first, second, third] = facts.coordinators
  t.is(first?.trouble, undefined)
  t.regex(second?.trouble ?? '', /ECONNREFUSED/)
  t.deepEqual(third?.leadsTo, [])
  t.is(Math.round((facts.clockAheadMs ?? 0) / 60_000), 60)
})

/** Answers every request as at `now`. Returns its address. */
async function startDated(t: ExecutionContext, now: number): Promise<string> {
  const authority = await makeAuthority('test')
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: 'coordinator:c1',
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
  })
  const server = createSecureServer({ cert: certificatePem, key: keyPem })
  server.on('stream', (stream) => stream.respond({ ':status': 200, date: new Date(now).toUTCString() }))
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as { port: number }).port}`
}

async function startEngine(t: ExecutionContext, folder: string, info: EngineInfo): Promise<string> {
  const socketPath = join(folder, 'docker.sock')
  const server = createServer((request, response) => {
    response.end(JSON.stringify(request.url === '/info' ? info : { Version: info.ServerVersion }))
  })
  t.teardown(() => server.close())
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  return socketPath
}
