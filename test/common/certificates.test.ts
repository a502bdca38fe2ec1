import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { promisify } from 'node:util'
import test from 'ava'
import {
  ageInDays,
  certify,
  commonNameOf,
  fingerprint,
  isIssuedBy,
  issueCertificate,
  makeAuthority,
  makeKeyPair,
  namesIn,
} from '../../common/certificates.js'
import { systemClock } from '../../common/clock.js'
import { isKeyOf, publicKeyOf } from '../../common/key-proof.js'

const run = promisify(execFile)
const names = { dnsNames: ['localhost', 'pool.example.org'], ipAddresses: ['127.0.0.1', '::1'] }

test('openssl accepts an issued certificate for its names, and for no other', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'spell-certificates-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const authority = await makeAuthority('a pool')
  const issued = await issueCertificate(authority, { commonName: 'node:node-1', ...names })
  const [ca, certificate] = [join(folder, 'ca.pem'), join(folder, 'certificate.pem')]
  await writeFile(ca, authority.certificatePem)
  await writeFile(certificate, issued.certificatePem)
  const verify = (...options: string[]) =>
    run('openssl', ['verify', '-x509_strict', '-CAfile', ca, ...options, certificate])
  for (const purpose of ['sslserver', 'sslclient'])
    t.regex((await verify('-purpose', purpose)).stdout, /: OK/)
  for (const ip of names.ipAddresses) t.regex((await verify('-verify_ip', ip)).stdout, /: OK/)
  for (const name of names.dnsNames) t.regex((await verify('-verify_hostname', name)).stdout, /: OK/)
  await t.throwsAsync(() => verify('-verify_ip', '10.0.0.1'), { message: /IP address mismatch/ })
  await t.throwsAsync(() => verify('-verify_hostname', 'other.example.org'), {
    message: /[Hh]ostname mismatch/,
  })
  const inAMonth = String(Math.floor(Date.now() / 1000) + 31 * 86_400)
  await t.throwsAsync(() => verify('-attime', inAMonth), { message: /expired/ })
  const { stdout } = await run('openssl', ['x509', '-in', certificate, '-noout', '-fingerprint', '-sha256'])
  t.is(
    stdout.trim().replace(/^.*=/, '').replaceAll(':', '').toLowerCase(),
    fingerprint(issued.certificatePem),
  )
  t.is(commonNameOf(issued.certificatePem), 'node:node-1')
})

test('both sides of a connection show certificates of one authority, and another authority is refused', async (t) => {
  const authority = await makeAuthority('a pool')
  const other = await makeAuthority('a pool')
  const server = await issueCertificate(authority, { commonName: 'coordinator:c1', ...names })
  const listener = createServer({
    cert: server.certificatePem,
    key: server.keyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
  })
  t.teardown(() => listener.close())
  listener.on('secureConnection', (socket) => socket.end(String(socket.getPeerCertificate().subject.CN)))
  listener.on('tlsClientError', () => {})
  await once(listener.listen(0, '127.0.0.1'), 'listening')
  const { port } = listener.address() as AddressInfo
  const greet = async (signer: typeof authority) => {
    const client = await issueCertificate(signer, { commonName: 'node:n1', dnsNames: [], ipAddresses: [] })
    const socket = connect({
      port,
      host: '127.0.0.1',
      ca: authority.certificatePem,
      cert: client.certificatePem,
      key: client.keyPem,
    })
    return (await socket.setEncoding('utf8').toArray()).join('')
  }
  t.is(await greet(authority), 'node:n1')
  t.not(await greet(other).catch(() => 'refused'), 'node:n1')
})

test('a certificate is valid an hour back, and its age counts from its issue', async (t) => {
  const authority = await makeAuthority('a pool')
  const issued = await issueCertificate(authority, { commonName: 'x', dnsNames: [], ipAddresses: [] })
  t.true(Math.abs(ageInDays(issued.certificatePem, systemClock)) < 0.001)
  const later = { ...systemClock, now: () => Date.now() + 10.5 * 86_400_000 }
  t.true(Math.abs(ageInDays(issued.certificatePem, later) - 10.5) < 0.001)
})

test('a certificate for a key that stays elsewhere is good with that key', async (t) => {
  const authority = await makeAuthority('a pool')
  const { publicKeyPem, keyPem } = await makeKeyPair()
  const certificatePem = await certify(authority, publicKeyPem, { commonName: 'node:n1', ...names })
  t.true(isKeyOf(keyPem, certificatePem))
  t.is(publicKeyOf(certificatePem), publicKeyPem)
  t.deepEqual(namesIn(certificatePem), names)
  t.true(isIssuedBy(certificatePem, authority.certificatePem))
  t.false(isIssuedBy(certificatePem, (await makeAuthority('a pool')).certificatePem))
})

test('a certificate without names has none', async (t) => {
  const authority = await makeAuthority('a pool')
  const none = { dnsNames: [], ipAddresses: [] }
  const { certificatePem } = await issueCertificate(authority, { commonName: 'node:n1', ...none })
  t.deepEqual(namesIn(certificatePem), none)
})
