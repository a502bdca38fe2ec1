import { generateKeyPairSync } from 'node:crypto'
import test from 'ava'
import { issueCertificate, makeAuthority, makeKeyPair } from '../../common/certificates.js'
import { isProven, keySha256, p256Key, proveKey, publicKeyOf } from '../../common/key-proof.js'

const join = (token: string) => ({ kind: 'join', token }) as const
const names = { dnsNames: [], ipAddresses: [] }

test('the holder of a key proves it for one token and no other', async (t) => {
  const mine = await makeKeyPair()
  const other = await makeKeyPair()
  const proof = proveKey(mine.keyPem, join('a'))
  t.true(isProven(mine.publicKeyPem, join('a'), proof))
  t.false(isProven(mine.publicKeyPem, join('b'), proof))
  t.false(isProven(other.publicKeyPem, join('a'), proof))
  t.false(isProven(mine.publicKeyPem, join('a'), Buffer.from('no signature')))
  t.false(isProven(mine.publicKeyPem, join('a'), Buffer.alloc(0)))
})

test('the holder of a certificate proves it for that certificate and no other', async (t) => {
  const authority = await makeAuthority('a pool')
  const issue = () => issueCertificate(authority, { commonName: 'node:n1', ...names })
  const [one, two] = [await issue(), await issue()]
  const claim = { kind: 'renew', certificatePem: one.certificatePem } as const
  const proof = proveKey(one.keyPem, claim)
  t.true(isProven(publicKeyOf(one.certificatePem), claim, proof))
  t.false(isProven(publicKeyOf(two.certificatePem), claim, proof))
  t.false(isProven(publicKeyOf(one.certificatePem), { ...claim, certificatePem: two.certificatePem }, proof))
})

test('only a key on P-256 counts, and it has one hash however it is written', async (t) => {
  const { publicKeyPem } = await makeKeyPair()
  const key = p256Key(publicKeyPem)
  const again = p256Key(publicKeyPem.replaceAll('\n', '\r\n'))
  t.is(again && keySha256(again), key && keySha256(key))
  t.is(key && keySha256(key).length, 64)
  const pem = { type: 'spki', format: 'pem' } as const
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export(pem).toString()
  const larger = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export(pem).toString()
  for (const text of [
    rsa,
    larger,
    '',
    'no key',
    '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
  ])
    t.is(p256Key(text), undefined)
})
