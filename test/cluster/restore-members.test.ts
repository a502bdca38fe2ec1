import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { memberArguments, newEtcdSettings } from '../../cli/machines/etcd-settings.js'
import { programFolder } from '../../cli/machines/folders.js'
import { etcdClientName, issueCertificate, makeAuthority } from '../../common/certificates.js'
import { systemClock } from '../../common/clock.js'
import { readKey } from '../../coordinator/store/etcd.js'
import { connectEtcd } from '../../coordinator/store/etcd-client.js'
import { ended, spellProgram } from '../fixtures/cluster.js'
import { startEtcd } from '../fixtures/etcd.js'
import { freePorts } from '../fixtures/free-port.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

// Three members of etcd, as `spell cluster init` lays their folders out, on three loopback addresses.

const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

test('the members of an etcd over several machines are restored one by one, and are one etcd again', async (t) => {
  const folder = await temporaryFolder(t)
  const file = join(folder, 'backup.db')
  const source = await startEtcd()
  t.teardown(() => source.stop())
  const before = source.connect()
  await before.transact({ compares: [], puts: [{ key: 'spell/counter', value: 'twelve' }] })
  const parts: Buffer[] = []
  for await (const part of before.snapshot(new AbortController().signal)) parts.push(part)
  await writeFile(file, Buffer.concat(parts))

  const { folders, tls, clientPort } = await layOut(folder)
  const spell = async (words: readonly string[]) =>
    await ended(
      spawn(process.execPath, [spellProgram, ...words], {
        cwd: folder,
        env: { PATH: process.env.PATH, HOME: folder, SPELL_DIR: join(folder, 'client'), LANG: 'C.UTF-8' },
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
  for (const each of folders) {
    const { code, stdout, stderr } = await spell(['cluster', 'restore', file, '--dir', each.dir])
    t.is(code, 0, stderr)
    t.regex(stdout, /^Restored: revision \d+/)
    t.regex(
      stderr,
      /the same file on 127\.0\.0\.\d and 127\.0\.0\.\d.*spell etcd start.*spell cluster repair/s,
    )
  }
  const members = folders.map((each) => start(each.host, memberArguments(each, each.settings)))
  t.teardown(() => Promise.all(members.map(end)))
  const etcd = connectEtcd(
    { endpoints: hosts.map((host) => `${host}:${clientPort}`), tls, callTimeoutMs: 5_000 },
    systemClock,
  )
  t.teardown(() => etcd.close())
  for (;;) {
    const found = await readKey(etcd, 'spell/counter').catch(() => undefined)
    if (found) {
      t.is(found.entry?.value, 'twelve')
      break
    }
  }
  const { code, stderr } = await spell(['cluster', 'restore', file, '--dir', folders[0]?.dir ?? ''])
  t.is(code, 1)
  t.regex(stderr, /etcd or a coordinator still runs here \(processes \d+\).*Nothing was changed/)
})

async function layOut(folder: string) {
  const [clientPort = 0, peerPort = 0] = await freePorts(2)
  const authority = await makeAuthority('test')
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: 'etcd',
    dnsNames: [etcdClientName],
    ipAddresses: hosts,
  })
  const members = hosts.map((host, index) => ({ name: `m${index}`, host }))
  const folders = members.map(({ name, host }) => {
    const one = programFolder('etcd', join(folder, name, 'etcd'))
    mkdirSync(join(one.dir, 'trust'), { recursive: true })
    writeFileSync(one.trust.caFile, authority.certificatePem)
    writeFileSync(one.trust.certFile, certificatePem)
    writeFileSync(one.trust.keyFile, keyPem)
    const settings = {
      ...newEtcdSettings({ cluster: 'lab', token: 'old', name, members }),
      clientPort,
      peerPort,
    }
    writeFileSync(one.settingsFile, JSON.stringify(settings))
    return { ...one, settings, host }
  })
  const tls = {
    ca: Buffer.from(authority.certificatePem),
    certificate: Buffer.from(certificatePem),
    key: Buffer.from(keyPem),
  }
  return { folders, tls, clientPort }
}

/** On a machine of its own it would listen on all addresses. */
function start(host: string, args: readonly string[]): ChildProcess {
  const words = args.map((word) => word.replace('//0.0.0.0:', `//${host}:`))
  return spawn('setpriv', ['--pdeathsig=KILL', 'etcd', ...words], { stdio: 'ignore' })
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}
