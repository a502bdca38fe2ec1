import { X509Certificate } from 'node:crypto'
import test from 'ava'
import {
  ageInDays,
  certify,
  commonNameOf,
  isIssuedBy,
  issueCertificate,
  type KeyedCertificate,
  type KeyPair,
  makeAuthority,
  makeKeyPair,
  namesIn,
} from '../../../common/certificates.js'
import { systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import { proveKey, publicKeyOf } from '../../../common/key-proof.js'
import { newClusterKey } from '../../../common/sealing.js'
import type { Trust } from '../../../coordinator/leader/authority.js'
import type { JoinTokenRequest } from '../../../coordinator/leader/join-tokens.js'
import type { Leader } from '../../../coordinator/leader.js'
import { keys, settle, World } from './harness.js'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

/** A leader that can sign, and what the next one is to be given. */
async function signing() {
  const world = new World()
  const authority = await makeAuthority('a pool', world.clock)
  const clusterKey = newClusterKey()
  const trust = (readAuthorityKey: Trust['readAuthorityKey']): Trust => ({
    authorityPem: authority.certificatePem,
    clusterKey,
    readAuthorityKey,
  })
  const lead = async (readAuthorityKey: Trust['readAuthorityKey'] = () => undefined) => {
    const leader = world.lead({}, { trust: trust(readAuthorityKey) })
    await leader.joins.keepAuthorityKey()
    return leader
  }
  return { world, authority, lead, leader: await lead(() => authority.keyPem) }
}

async function token(leader: Leader, request: Partial<JoinTokenRequest> = {}): Promise<string> {
  const usual = { kind: 'node', uses: 1, ttlMs: hourMs, creator: 'root', machineType: '' } as const
  return (await leader.joins.createToken({ ...usual, ...request })).token
}

function claim(pair: KeyPair, text: string) {
  const signature = proveKey(pair.keyPem, { kind: 'join', token: text })
  return { token: text, publicKeyPem: pair.publicKeyPem, signature }
}

function node(pair: KeyPair, text: string, name = 'box') {
  return { ...claim(pair, text), name, machineId: 'm1' }
}

function renewal({ certificatePem, keyPem }: KeyedCertificate) {
  return { certificatePem, signature: proveKey(keyPem, { kind: 'renew', certificatePem }) }
}

const refused = (message: RegExp) => ({ instanceOf: RpcError, message })

test('a token is spent by the first key that shows it; the same key may repeat the join, another may not', async (t) => {
  const { leader, authority } = await signing()
  const [first, other] = [await makeKeyPair(), await makeKeyPair()]
  const text = await token(leader)
  const { membership, certificatePem } = await leader.joins.node(node(first, text))
  t.regex(membership.holder, /^node:node-[a-z0-9]{8}$/)
  t.is(commonNameOf(certificatePem), membership.holder)
  t.is(publicKeyOf(certificatePem), first.publicKeyPem)
  t.true(isIssuedBy(certificatePem, authority.certificatePem))
  t.deepEqual(namesIn(certificatePem), { dnsNames: [], ipAddresses: [] }, 'a node is no server of anybody')
  const again = await leader.joins.node(node(first, text))
  t.is(again.membership.holder, membership.holder)
  await t.throwsAsync(leader.joins.node(node(other, text, 'box2')), refused(/spent by another machine/))
  t.is((await leader.joins.tokens())[0]?.spent, 1)
})

test('two machines that show a token at the same moment are not both let in', async (t) => {
  const { leader } = await signing()
  const text = await token(leader)
  const pairs = [await makeKeyPair(), await makeKeyPair(), await makeKeyPair()]
  const answers = await Promise.allSettled(
    pairs.map((pair, index) => leader.joins.node(node(pair, text, `box${index}`))),
  )
  t.is(answers.filter(({ status }) => status === 'fulfilled').length, 1)
})

test('a token lets in as many machines as it was made for', async (t) => {
  const { leader } = await signing()
  const text = await token(leader, { uses: 3, machineType: 'V100x2' })
  for (const name of ['a', 'b', 'c']) {
    const { membership } = await leader.joins.node(node(await makeKeyPair(), text, name))
    t.is(membership.machineType, 'V100x2')
  }
  await t.throwsAsync(leader.joins.node(node(await makeKeyPair(), text, 'd')), refused(/spent/))
})

test('a token that is over lets nobody in and leaves etcd', async (t) => {
  const { leader, world } = await signing()
  const pair = await makeKeyPair()
  const text = await token(leader, { uses: 2, ttlMs: hourMs })
  await leader.joins.node(node(pair, text))
  await world.clock.advance(hourMs)
  await t.throwsAsync(leader.joins.node(node(await makeKeyPair(), text, 'b')), refused(/is over/))
  await t.throwsAsync(leader.joins.node(node(pair, text)), refused(/is over/), 'also not whoever had joined')
  t.deepEqual(await leader.joins.tokens(), [])
  await world.clock.advance(1_000)
  await settle()
  t.deepEqual(
    [...world.queue.stored.keys()].filter((key) => key.startsWith(keys.joinTokens)),
    [],
  )
})

test('a token that was revoked lets nobody in', async (t) => {
  const { leader } = await signing()
  const text = await token(leader)
  const [listed] = await leader.joins.tokens()
  await leader.joins.revokeToken(listed?.sha256.slice(0, 12) ?? '')
  await t.throwsAsync(leader.joins.node(node(await makeKeyPair(), text)), refused(/revoked/))
  await t.throwsAsync(leader.joins.revokeToken('nothing'), refused(/no join token "nothing"/))
})

test('a thousand tokens may be live at once', async (t) => {
  const { leader, world } = await signing()
  for (let count = 0; count < 1_000; count++) await token(leader)
  await t.throwsAsync(token(leader), { ...refused(/1000 join tokens/) })
  await world.clock.advance(hourMs)
  await t.notThrowsAsync(token(leader))
})

test('a token is for nodes or for coordinators, and for the holder of the key alone', async (t) => {
  const { leader } = await signing()
  const [pair, thief] = [await makeKeyPair(), await makeKeyPair()]
  const text = await token(leader)
  const forCoordinators = await token(leader, { kind: 'coordinator' })
  await t.throwsAsync(
    leader.joins.node(node(pair, forCoordinators)),
    refused(/for a coordinator, not for a node/),
  )
  const stolen = { ...node(pair, text), publicKeyPem: thief.publicKeyPem }
  await t.throwsAsync(leader.joins.node(stolen), refused(/not signed with the key/))
  const nonsense = { ...node(pair, text), publicKeyPem: 'nonsense' }
  await t.throwsAsync(leader.joins.node(nonsense), refused(/none on the curve P-256/))
  await t.throwsAsync(leader.joins.node(node(pair, 'join-guessed')), refused(/of another cluster/))
  t.is((await leader.joins.tokens()).filter(({ spent }) => spent > 0).length, 0)
})

test('a name that another node has is refused and spends nothing', async (t) => {
  const { leader } = await signing()
  const text = await token(leader, { uses: 2 })
  const { membership } = await leader.joins.node(node(await makeKeyPair(), text, 'box'))
  const second = await makeKeyPair()
  await t.throwsAsync(leader.joins.node(node(second, text, 'box')), refused(/another name with --name/))
  t.is((await leader.joins.tokens())[0]?.spent, 1)
  const { membership: other } = await leader.joins.node(node(second, text, 'box2'))
  t.not(other.holder, membership.holder)
})

test('a coordinator gets a certificate for its addresses, and etcd takes it', async (t) => {
  const { leader } = await signing()
  const text = await token(leader, { kind: 'coordinator' })
  const request = { id: 'c2', hosts: ['c2.example.org', '10.0.0.2'], taken: ['c1'] }
  const pair = await makeKeyPair()
  const certificatePem = await leader.joins.coordinator({ ...claim(pair, text), ...request })
  t.is(commonNameOf(certificatePem), 'coordinator:c2')
  const { dnsNames, ipAddresses } = namesIn(certificatePem)
  t.deepEqual(dnsNames, ['c2.example.org', 'localhost', 'etcd-client.spell'])
  t.deepEqual(ipAddresses, ['10.0.0.2', '127.0.0.1'])
  const other = claim(await makeKeyPair(), await token(leader, { kind: 'coordinator' }))
  for (const id of ['c1', 'c2'])
    await t.throwsAsync(
      leader.joins.coordinator({ ...other, ...request, id }),
      refused(/has a coordinator c. already/),
    )
  const running = { ...request, taken: ['c1', 'c2'] }
  await t.notThrowsAsync(leader.joins.coordinator({ ...claim(pair, text), ...running }), 'it asks again')
})

test('the next leader knows tokens and members, and signs without the file', async (t) => {
  const { lead, leader } = await signing()
  const pair = await makeKeyPair()
  const text = await token(leader)
  const { membership } = await leader.joins.node(node(pair, text))
  const next = await lead()
  t.is((await next.joins.node(node(pair, text))).membership.holder, membership.holder)
  await t.throwsAsync(next.joins.node(node(await makeKeyPair(), text, 'b')), refused(/spent/))
})

test('a cluster that cannot sign says why, and spends nothing', async (t) => {
  const { world, authority } = await signing()
  const pair = await makeKeyPair()
  const cases: readonly (readonly [Partial<Trust>, RegExp])[] = [
    [{ clusterKey: undefined }, /has no cluster key/],
    [{ clusterKey: newClusterKey() }, /sealed with another cluster key/],
    [{ authorityPem: (await makeAuthority('other')).certificatePem }, /not that of this coordinator's/],
  ]
  const { clusterKey } = { clusterKey: newClusterKey() }
  const trust = {
    authorityPem: authority.certificatePem,
    clusterKey,
    readAuthorityKey: () => authority.keyPem,
  }
  world.queue.stored.delete(keys.authorityKey)
  await world.lead({}, { trust }).joins.keepAuthorityKey()
  for (const [changes, message] of cases) {
    const leader = world.lead({}, { trust: { ...trust, ...changes } })
    await leader.joins.keepAuthorityKey()
    await t.throwsAsync(leader.joins.node(node(pair, await token(leader))), refused(message))
    t.is((await leader.joins.tokens())[0]?.spent, 0)
  }
  world.queue.stored.delete(keys.authorityKey)
  const without = world.lead({}, { trust: { ...trust, readAuthorityKey: () => undefined } })
  await without.joins.keepAuthorityKey()
  await t.throwsAsync(
    without.joins.node(node(pair, await token(without))),
    refused(/was never given the key/),
  )
})

test('an expired certificate renews itself with the same key and the same names', async (t) => {
  const { leader, world, authority } = await signing()
  const pair = await makeKeyPair()
  const { membership } = await leader.joins.node(node(pair, await token(leader)))
  const certificatePem = await certify(authority, pair.publicKeyPem, {
    ...{ commonName: membership.holder, dnsNames: [], ipAddresses: [] },
    clock: { ...systemClock, now: () => world.clock.now() - 90 * dayMs },
  })
  t.true(Date.parse(new X509Certificate(certificatePem).validTo) < world.clock.now())
  const renewed = await leader.joins.renew(renewal({ certificatePem, keyPem: pair.keyPem }))
  t.is(commonNameOf(renewed), commonNameOf(certificatePem))
  t.is(publicKeyOf(renewed), pair.publicKeyPem)
  t.is(ageInDays(renewed, world.clock), 0)
  t.true(isIssuedBy(renewed, authority.certificatePem))
  const issue = (commonName: string) =>
    issueCertificate(authority, { commonName, dnsNames: ['a.b'], ipAddresses: ['::1'], clock: world.clock })
  for (const holder of ['node:node-1', 'coordinator:c1', 'etcd']) {
    const its = await issue(holder)
    const again = await leader.joins.renew(renewal(its))
    t.deepEqual(
      namesIn(again),
      { dnsNames: ['a.b'], ipAddresses: ['::1'] },
      `${holder} came with the cluster`,
    )
  }
  await t.throwsAsync(leader.joins.renew(renewal(await issue('somebody'))), refused(/are not renewed/))
})

test('only the holder of the key renews a certificate, and only one of this cluster', async (t) => {
  const { leader, authority } = await signing()
  const names = { commonName: 'node:node-1', dnsNames: [], ipAddresses: [] }
  const mine = await issueCertificate(authority, names)
  const thief = await makeKeyPair()
  await t.throwsAsync(
    leader.joins.renew(renewal({ ...mine, keyPem: thief.keyPem })),
    refused(/not signed with/),
  )
  const foreign = await issueCertificate(await makeAuthority('a pool'), names)
  await t.throwsAsync(leader.joins.renew(renewal(foreign)), refused(/not of this cluster's authority/))
  const nonsense = { certificatePem: 'nonsense', signature: Buffer.alloc(8) }
  await t.throwsAsync(leader.joins.renew(nonsense), refused(/is no certificate/))
  const { membership } = await leader.joins.node(node(await makeKeyPair(), await token(leader)))
  const forged = await issueCertificate(authority, { ...names, commonName: membership.holder })
  await t.throwsAsync(leader.joins.renew(renewal(forged)), refused(/key is not that of node/))
})
