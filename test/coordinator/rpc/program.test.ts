import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { version } from '../../../coordinator/version.js'
import { Channel } from '../../../proto/channel.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { type Method, method } from '../../../proto/wire.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { freePorts } from '../../fixtures/free-port.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { untilLed } from './until-led.js'

const program = fileURLToPath(new URL('../../../coordinator/main.js', import.meta.url))
const submit: Method<unknown, SubmitResponse__Output> = method('Runs', 'Submit')

test('the version is the one of the package', (t) => {
  const facts: unknown = JSON.parse(readFileSync('package.json', 'utf8'))
  t.like(facts, { version })
})

test('a coordinator with bad settings lists every mistake and exits with 2', async (t) => {
  const child = spawn(process.execPath, [program, '--lease-ttl-seconds', 'soon', '--nonsense'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  child.stderr.on('data', (piece) => {
    text += piece
  })
  const [code] = await once(child, 'close')
  t.is(code, 2)
  for (const part of [
    /--nonsense: there is no such setting/,
    /leaseTtlSeconds/,
    /id: is required/,
    /tls: is required/,
  ])
    t.regex(text, part)
})

interface Started {
  readonly child: ChildProcess
  readonly address: string
}

async function prepare(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), 'spell-program-'))
  const etcd = await startEtcd()
  const children: ChildProcess[] = []
  t.teardown(async () => {
    for (const child of children) child.kill('SIGKILL')
    await etcd.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const authority = await makeAuthority('test')
  const { certificatePem, keyPem } = await issueCertificate(authority, {
    commonName: 'coordinator:c',
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
  })
  const tls = { caFile: join(folder, 'ca'), certFile: join(folder, 'crt'), keyFile: join(folder, 'key') }
  writeFileSync(tls.caFile, authority.certificatePem)
  writeFileSync(tls.certFile, certificatePem)
  writeFileSync(tls.keyFile, keyPem)
  const start = async (id: string): Promise<Started> => {
    const [userPort, agentPort] = await freePorts(2)
    const address = `127.0.0.1:${userPort}`
    const file = join(folder, `${id}.json`)
    writeFileSync(
      file,
      JSON.stringify({
        ...common(folder, etcd),
        tls,
        id,
        userListen: address,
        agentListen: `127.0.0.1:${agentPort}`,
      }),
    )
    const child = spawn(process.execPath, [program, '--settings', file], { stdio: 'ignore' })
    children.push(child)
    return { child, address }
  }
  const channel = (...to: readonly Started[]) => {
    const made = new Channel({
      addresses: to.map(({ address }) => address),
      tls: { ca: authority.certificatePem },
      token: 'token',
    })
    t.teardown(() => made.close())
    return made
  }
  return { start, channel }
}

function common(folder: string, etcd: EtcdFixture) {
  return {
    clusterName: 'test',
    dataDir: folder,
    etcd: { endpoints: [etcd.endpoint] },
    storeDir: join(folder, 'store'),
    leaseTtlSeconds: 30,
    bootstrapUser: { name: 'ada', tokenSha256: createHash('sha256').update('token').digest('hex') },
    logLevel: 'error',
  }
}

test('SIGTERM hands the lead over at once, and ids go on', async (t) => {
  const { start, channel } = await prepare(t)
  const one = await start('c1')
  await untilLed(channel(one))
  const two = await start('c2')
  await untilLed(channel(two))
  const request = () => ({ requestId: randomUUID(), spec: runSpecToWire(plainSpec) })
  t.is((await channel(two).call(submit, request())).runId, 1)
  one.child.kill('SIGTERM')
  const [code] = await once(one.child, 'exit')
  t.is(code, 0)
  const begun = performance.now()
  await untilLed(channel(two))
  t.true(performance.now() - begun < 15_000, 'the lease of 30 s was not waited for')
  t.is((await channel(one, two).call(submit, request())).runId, 2)
})
