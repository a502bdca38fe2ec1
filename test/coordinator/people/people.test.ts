import test, { type ExecutionContext } from 'ava'
import { seal } from '../../../common/sealing.js'
import type { User } from '../../../coordinator/core/records.js'
import type { Leader } from '../../../coordinator/leader.js'
import { mostTokens, sha256Of } from '../../../coordinator/people/tokens.js'
import { ann, bob, keys, root, submit, World } from '../leader/harness.js'

const hours = 3_600_000
const nothing = { role: undefined, maxConcurrentRuns: undefined, email: undefined }

async function begun(settings = {}) {
  const world = new World()
  const leader = world.lead({ ownTokenSha256: 'aa', ...settings })
  await leader.putUser(root, 'aa')
  return { world, leader, people: leader.people }
}

const fails = async (t: ExecutionContext, promise: Promise<unknown>, message: RegExp, code: string) => {
  const error = await t.throwsAsync(promise, { message })
  t.is((error as { code?: string } | undefined)?.code, code)
}

test('a code lets in once, and the token that it gives is of the user', async (t) => {
  const { world, people } = await begun()
  const { code } = await people.add(ann)
  t.regex(code, /^([0-9a-hjkmnp-tv-z]{4}-){4}[0-9a-hjkmnp-tv-z]{4}$/)
  const { token, user } = await people.logIn(` ${code.toUpperCase().replaceAll('-', ' ')} `, 'laptop')
  t.like(user, ann)
  t.like(world.lead().user(sha256Of(token)), ann)
  const after = world.lead().people
  await fails(t, after.logIn(code, ''), /used before.*spell cluster user invite ann/, 'FAILED_PRECONDITION')
})

test('neither code nor token is in etcd', async (t) => {
  const { world, people } = await begun()
  const { code } = await people.add(ann)
  const { token } = await people.logIn(code, '')
  const { secret } = await people.createToken(ann, 'ci')
  const stored = JSON.stringify([...world.queue.stored])
  for (const text of [code, code.replaceAll('-', ''), token, secret]) t.false(stored.includes(text))
})

test('letters that look like digits are taken as those', async (t) => {
  const { people } = await begun()
  let { code } = await people.add(ann)
  while (!/[01]/.test(code)) code = (await people.invite('ann')).code
  t.like((await people.logIn(code.replaceAll('0', 'O').replaceAll('1', 'l'), '')).user, ann)
})

test('a code expires after 48 hours, and a newer one takes the place of the one before', async (t) => {
  const { world, people } = await begun()
  const first = await people.add(ann)
  const second = await people.invite('ann')
  await fails(t, people.logIn(first.code, ''), /not known/, 'PERMISSION_DENIED')
  await world.clock.advance(48 * hours)
  await fails(t, people.logIn(second.code, ''), /expired/, 'FAILED_PRECONDITION')
  t.is((await people.list())[0]?.invitedUntilMs, 0)
  await people.add(bob)
  t.deepEqual(
    [...world.queue.stored.keys()].filter((key) => key.startsWith(keys.loginCodes)),
    [keys.loginCode('bob')],
    'expired ones are removed',
  )
})

test('wrong codes are limited, whoever tries them, and right ones wait with them', async (t) => {
  const { world, people } = await begun()
  const { code } = await people.add(ann)
  for (let guess = 0; guess < 20; guess += 1)
    await fails(t, people.logIn(`guess ${guess}`, ''), /not known/, 'PERMISSION_DENIED')
  await fails(t, people.logIn(code, ''), /Too many wrong/, 'RESOURCE_EXHAUSTED')
  await world.clock.advance(3_000)
  t.like((await people.logIn(code, '')).user, ann)
})

test('users are known by one name, whatever its case', async (t) => {
  const { people } = await begun()
  await people.add(ann)
  await fails(t, people.add({ ...ann, name: 'ANN' }), /There is a user ann already/, 'ALREADY_EXISTS')
})

test('what is not named stays as it is when a user is changed', async (t) => {
  const { world, people } = await begun()
  await people.add({ ...ann, email: 'ann@example.org' })
  t.like((await people.change('ann', { ...nothing, maxConcurrentRuns: 3 })).user, {
    ...{ role: 'member', email: 'ann@example.org', maxConcurrentRuns: 3 },
  })
  await people.change('ann', { ...nothing, role: 'viewer', email: '' })
  const [after] = await world.lead().people.list()
  t.like(after?.user, { role: 'viewer', email: '', maxConcurrentRuns: 3, createdAtMs: world.clock.now() })
  await fails(t, people.change('nobody', nothing), /There is no user "nobody"/, 'NOT_FOUND')
})

const other: User = { ...ann, role: 'admin' }

test('the last admin who can get in is neither removed nor demoted', async (t) => {
  const { world, leader, people } = await begun({ ownTokenSha256: undefined })
  await fails(t, people.remove('root'), /last admin/, 'FAILED_PRECONDITION')
  const { code } = await people.add(other)
  await world.clock.advance(48 * hours)
  await fails(t, people.change('root', { ...nothing, role: 'member' }), /last admin/, 'FAILED_PRECONDITION')
  t.is(leader.user('aa')?.role, 'admin', 'a code that has expired lets nobody in')
  await fails(t, people.logIn(code, ''), /expired/, 'FAILED_PRECONDITION')
  await people.invite('ann')
  t.is((await people.change('root', { ...nothing, role: 'member' })).user.role, 'member')
  await fails(t, people.remove('ann'), /last admin/, 'FAILED_PRECONDITION')
})

test('the user that the settings name is not removed: it would come back', async (t) => {
  const { people } = await begun()
  await people.add(other)
  await fails(t, people.remove('root'), /bootstrapUser/, 'FAILED_PRECONDITION')
})

test('whoever is removed has no token and no code any more, and the runs go on', async (t) => {
  const { world, leader, people } = await begun()
  const { code } = await people.add({ ...ann, maxConcurrentRuns: 1 })
  const { token } = await people.logIn(code, '')
  const { secret } = await people.createToken(ann, 'ci')
  const { code: unused } = await people.invite('ann')
  const user = leader.user(sha256Of(token))
  for (let count = 0; count < 3; count += 1) await submit(leader, {}, user)
  t.is((await leader.run(3)).state, 'user_requested')
  t.deepEqual(await people.remove('ann'), { tokensEnded: 2, activeRuns: 3 })
  for (const lead of [() => leader, () => world.lead()]) {
    const each = lead()
    t.is(each.user(sha256Of(token)), undefined)
    t.is(each.user(sha256Of(secret)), undefined)
    await t.throwsAsync(each.people.logIn(unused, ''), { message: /not known/ })
    for (const id of [1, 2, 3]) t.like(await each.run(id), { creator: 'ann', state: 'machine_requested' })
  }
})

test('somebody with as many tokens and waiting runs as there can be is removed', async (t) => {
  const { world, leader, people } = await begun()
  await people.add({ ...ann, maxConcurrentRuns: 1 })
  for (let count = 0; count < mostTokens; count += 1) {
    await people.createToken(ann, `ci ${count}`)
    await people.logIn((await people.invite('ann')).code, '')
  }
  const user = leader.userNamed('ann')
  for (let count = 0; count < 120; count += 1) await submit(leader, {}, user)
  t.deepEqual(await people.remove('ann'), { tokensEnded: 2 * mostTokens, activeRuns: 120 })
  t.deepEqual(world.steppedDown, [])
  t.is((await world.lead().run(120)).state, 'machine_requested')
})

test("calls that go on end with their token, and with a change of the user's role", async (t) => {
  const { people } = await begun()
  const { code } = await people.add(ann)
  const { token } = await people.logIn(code, '')
  const { secret } = await people.createToken(ann, 'ci')
  const reasons: string[] = []
  const open = (name: string, text: string) =>
    people.opened({
      tokenSha256: sha256Of(text),
      abort: (reason) => reasons.push(`${name} ${(reason as { code?: string }).code}`),
    })
  open('login', token)
  const close = open('ci', secret)
  await people.change('ann', { ...nothing, email: 'a@b' })
  t.deepEqual(reasons, [])
  await people.change('ann', { ...nothing, role: 'viewer' })
  t.deepEqual(reasons.splice(0).sort(), ['ci UNAVAILABLE', 'login UNAVAILABLE'])
  close()
  close()
  await people.removeToken(ann, 'ci')
  t.deepEqual(reasons, [])
  await people.remove('ann')
  t.deepEqual(reasons.splice(0), ['login UNAUTHENTICATED'])
  open('late', token)
  t.deepEqual(reasons, ['late UNAUTHENTICATED'])
})

test('tokens are listed, each under a name of its own, and removed by it', async (t) => {
  const { leader, people } = await begun()
  await people.createToken(root, 'ci')
  await fails(t, people.createToken(root, 'ci'), /You have a token "ci" already/, 'ALREADY_EXISTS')
  await people.add(ann)
  const { secret } = await people.createToken(ann, 'ci')
  for (let count = 0; count < 2; count += 1) await people.logIn((await people.invite('ann')).code, 'lap\ntop')
  const named = async (user: User) => (await people.tokens(user)).map(({ name, kind }) => `${kind} ${name}`)
  t.deepEqual((await named(ann)).sort(), ['access ci', 'login lap top', 'login lap top (2)'])
  t.deepEqual((await named(root)).sort(), ['access ci', 'bootstrap bootstrap'])
  await people.removeToken(ann, 'ci')
  await fails(t, people.removeToken(ann, 'ci'), /You have no token "ci"/, 'NOT_FOUND')
  t.is(leader.user(sha256Of(secret)), undefined)
  await fails(t, people.removeToken(root, 'bootstrap'), /stays valid/, 'FAILED_PRECONDITION')
})

test('a user has so many tokens and no more: logins end the oldest, access tokens are refused', async (t) => {
  const { leader, people } = await begun()
  await people.add(ann)
  const tokens: string[] = []
  for (let count = 0; count <= mostTokens; count += 1)
    tokens.push((await people.logIn((await people.invite('ann')).code, '')).token)
  t.is(leader.user(sha256Of(tokens[0] ?? '')), undefined)
  t.like(leader.user(sha256Of(tokens[1] ?? '')), ann)
  for (let count = 0; count < mostTokens; count += 1) await people.createToken(ann, `ci ${count}`)
  await fails(t, people.createToken(ann, 'more'), /which is the most/, 'RESOURCE_EXHAUSTED')
})

test("who has the cluster's key remakes an admin, and nobody else does", async (t) => {
  const { world, leader, people } = await begun()
  await people.add({ ...ann, maxConcurrentRuns: 5 })
  const proof = seal(world.clusterKey, 'reset admin', JSON.stringify({ name: 'ann' }))
  for (let guess = 0; guess < 20; guess += 1) await t.throwsAsync(people.logIn('guess', ''))
  const { code } = await people.makeAdmin(people.provenReset(proof))
  await world.clock.advance(3_000)
  const { token } = await people.logIn(code, '')
  t.like(leader.user(sha256Of(token)), { role: 'admin', maxConcurrentRuns: 5 })
  const wrong = seal(Buffer.alloc(32), 'reset admin', JSON.stringify({ name: 'ann' }))
  const elsewhere = seal(world.clusterKey, 'env 1 A', JSON.stringify({ name: 'ann' }))
  for (const bad of [wrong, elsewhere, 'ann', ''])
    t.throws(() => people.provenReset(bad), { message: /not sealed/ })
})

test('what a leader of an earlier version wrote is still understood', async (t) => {
  const world = new World()
  world.queue.stored.set(keys.user('ann'), JSON.stringify({ v: 1, ...ann }))
  const record = { v: 1, sha256: 'ab'.repeat(32), user: 'ann', createdAtMs: 1 }
  world.queue.stored.set(keys.token(record.sha256), JSON.stringify(record))
  const leader: Leader = world.lead()
  t.deepEqual(leader.user(record.sha256), ann)
  t.like((await leader.people.tokens(ann))[0], { name: 'token abababab', kind: undefined })
  t.is((await leader.people.list())[0]?.tokenCount, 1)
})
