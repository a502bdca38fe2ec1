import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { CertificateKeeper, type KeeperParts } from '../../common/certificate-keeper.js'
import { certify, type KeyedCertificate, makeAuthority, makeKeyPair } from '../../common/certificates.js'
import { publicKeyOf } from '../../common/key-proof.js'
import { silentLog } from '../../common/log.js'
import { seededRandom } from '../../common/random.js'
import { FakeClock } from '../fakes/fake-clock.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** A pair in files, issued now, and somebody who renews it. */
async function prepare(t: ExecutionContext, parts: Partial<KeeperParts> = {}) {
  const folder = await temporaryFolder(t)
  const clock = new FakeClock()
  const authority = await makeAuthority('a pool', clock)
  const pair = await makeKeyPair()
  const who = { commonName: 'node:n1', dnsNames: [], ipAddresses: [] }
  const issue = async (publicKeyPem = pair.publicKeyPem) =>
    await certify(authority, publicKeyPem, { ...who, days: 30, clock })
  const files = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  writeFileSync(files.certFile, await issue())
  writeFileSync(files.keyFile, pair.keyPem, { mode: 0o600 })
  const asked: KeyedCertificate[] = []
  let changed: (pair: KeyedCertificate) => void = () => undefined
  const keeper = new CertificateKeeper(
    { files, renewAfterMs: 10 * dayMs, lookEveryMs: hourMs },
    {
      ...{ clock, random: seededRandom(1), log: silentLog },
      async renew(old) {
        asked.push(old)
        return await issue()
      },
      onChange: (now) => changed(now),
      ...parts,
    },
  )
  t.teardown(() => keeper.stop())
  const nextChange = () =>
    new Promise<KeyedCertificate>((resolve) => {
      changed = resolve
    })
  return { clock, files, asked, keeper, nextChange, issue, pair }
}

test('a certificate is renewed when it is old and not before, and its file stays as readable as it was', async (t) => {
  const { clock, files, asked, keeper, nextChange, pair } = await prepare(t)
  chmodSync(files.certFile, 0o640)
  const before = readFileSync(files.certFile, 'utf8')
  await keeper.start()
  await clock.advance(10 * dayMs - hourMs)
  t.is(asked.length, 0)
  const change = nextChange()
  await clock.advance(3 * hourMs)
  const { certificatePem } = await change
  t.is(asked.at(-1)?.certificatePem, before)
  t.is(readFileSync(files.certFile, 'utf8'), certificatePem)
  t.not(certificatePem, before)
  t.is(publicKeyOf(certificatePem), pair.publicKeyPem)
  t.is(statSync(files.certFile).mode & 0o777, 0o640)
})

test('an expired certificate is renewed before anything else', async (t) => {
  const { clock, files, keeper, asked } = await prepare(t)
  const before = readFileSync(files.certFile, 'utf8')
  await clock.advance(31 * dayMs)
  await keeper.start()
  t.is(asked.length, 1)
  t.not(readFileSync(files.certFile, 'utf8'), before)
})

test('who could not be asked is asked again, and the program starts all the same', async (t) => {
  let tries = 0
  const { clock, files, keeper, nextChange, issue } = await prepare(t, {
    async renew() {
      tries += 1
      if (tries < 3) throw new Error('nobody is there')
      return await issue()
    },
  })
  await clock.advance(31 * dayMs)
  await keeper.start()
  t.is(tries, 1)
  const change = nextChange()
  while (tries < 3) await clock.advance(hourMs)
  const { certificatePem } = await change
  t.is(readFileSync(files.certFile, 'utf8'), certificatePem)
})

test('what somebody else has written meanwhile stays, and is noticed', async (t) => {
  const other = await makeKeyPair()
  const { clock, files, keeper, nextChange, issue } = await prepare(t, {
    async renew(old) {
      writeFileSync(files.keyFile, other.keyPem)
      writeFileSync(files.certFile, theirs)
      return await issue(publicKeyOf(old.certificatePem))
    },
  })
  await clock.advance(11 * dayMs)
  const theirs = await issue(other.publicKeyPem)
  await keeper.start()
  const change = nextChange()
  let noticed: KeyedCertificate | undefined
  const noticing = change.then((pair) => {
    noticed = pair
  })
  while (!noticed) await clock.advance(hourMs)
  await noticing
  t.is(noticed.keyPem, other.keyPem)
  t.is(readFileSync(files.certFile, 'utf8'), theirs)
})
