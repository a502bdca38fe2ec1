import { X509Certificate } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readConfig } from '../../cli/config.js'
import { RpcError } from '../../common/errors.js'
import { readToken, writeToken } from '../../common/portable-token.js'
import { clusterKeyText, newClusterKey, seal, unseal } from '../../common/sealing.js'
import type { FakeCall } from './support/fake-coordinator.js'
import { loggedIn } from './support/logged-in.js'

const code = 'k7fq-29xm-p3wd-8hjt-0rsv'
const day = 86_400_000
const createdAtMs = Date.UTC(2026, 10, 28, 20)
const ann = { name: 'ann', role: 'member', email: 'ann@example.org', maxConcurrentRuns: 3 }
const invitation = {
  user: ann,
  code,
  expiresAtMs: createdAtMs + 2 * day,
  addresses: ['10.0.0.9:7000'],
  caSha256: 'ab'.repeat(32),
}
const person = { user: ann, createdAtMs, tokenCount: 2, activeRuns: 1, invitedUntilMs: 0 }

const answers = {
  'People/Add': () => invitation,
  'People/Invite': () => invitation,
  'People/List': () => ({
    people: [person, { user: { name: 'bob', role: 'admin' }, invitedUntilMs: createdAtMs + day }],
  }),
  'People/Set': () => person,
  'People/Remove': () => ({ tokensEnded: 2, activeRuns: 1 }),
  'People/LogIn': (request: { code: string }) => {
    if (request.code.replaceAll('-', '') !== code.replaceAll('-', ''))
      throw new RpcError('PERMISSION_DENIED', 'This login code is not known.')
    return { token: 'fresh', user: ann }
  },
  'Account/WhoAmI': (_request: unknown, { token }: FakeCall) => {
    if (!['fresh', 'right'].includes(token)) throw new RpcError('UNAUTHENTICATED', 'This token is not known.')
    return ann
  },
  'Cluster/Get': () => ({ name: 'lab', coordinators: [] }),
  'Tokens/Create': () => ({
    token: { name: 'ci', kind: 'ACCESS_TOKEN', createdAtMs },
    secret: 'right',
    addresses: ['10.0.0.9:7000'],
    caSha256: 'ab'.repeat(32),
  }),
  'Tokens/List': () => ({
    tokens: [
      { name: 'laptop', kind: 'LOGIN_TOKEN', createdAtMs, current: true },
      { name: 'ci, nightly', kind: 'ACCESS_TOKEN', createdAtMs },
    ],
  }),
  'Tokens/Remove': () => ({}),
}

/** Nobody is logged in yet. */
async function stranger(t: ExecutionContext) {
  const made = await loggedIn(t, answers)
  rmSync(join(made.directory, 'config'))
  const hash = new X509Certificate(made.coordinator.ca).fingerprint256.replaceAll(':', '').toLowerCase()
  return { ...made, hash, address: made.coordinator.address }
}

test('add prints the command for the user, and the code on a line of its own', async (t) => {
  const { spell, coordinator } = await loggedIn(t, answers)
  const words = ['cluster', 'user', 'add', 'ann', '--max-runs', '3', '--email', 'ann@example.org']
  const { stdout, stderr, code: exit } = await spell(words)
  t.is(exit, 0, stderr)
  const addresses = `${coordinator.address},10.0.0.9:7000`
  t.is(
    stdout,
    `Successfully added user 'ann' (member).

What ann types:

spell login ${addresses} --ca-hash sha256:${'ab'.repeat(32)}

and, when it asks, this code, which is good once, until 2026-11-30 20:00:00:

${code}
`,
  )
  t.deepEqual(coordinator.requestsOf('People/Add'), [
    { name: 'ann', role: '', maxConcurrentRuns: 3, email: 'ann@example.org' },
  ])
  const json = JSON.parse((await spell(['cluster', 'user', 'invite', 'ann', '--json'])).stdout)
  t.like(json, { name: 'ann', code, expires_at: '2026-11-30T20:00:00.000Z' })
  t.false(json.login_command.includes(code))
})

test('where the archives cannot be had, there is no line that installs spell, and the rest is as ever', async (t) => {
  const { spell } = await loggedIn(t, {
    ...answers,
    'Cluster/Get': () => ({ name: 'lab', coordinators: [{ downloadAddress: '127.0.0.1:1' }] }),
  })
  const { stdout, stderr } = await spell(['cluster', 'user', 'invite', 'ann'])
  t.true(stdout.endsWith(`\n${code}\n`))
  t.regex(
    stderr,
    /^Warning: there is no line that installs spell\. No coordinator gives the installer cli\.sh/,
  )
})

test('users are listed, changed and removed', async (t) => {
  const { spell, coordinator } = await loggedIn(t, answers)
  const { stdout } = await spell(['cluster', 'user', 'list'])
  t.regex(stdout, /^ann +member +3 +1 +2 +- +2026-11-28 20:00:00 +ann@example.org$/m)
  t.regex(stdout, /^bob +admin +- +0 +0 +2026-11-29 20:00:00 +-$/m)
  const [first] = JSON.parse((await spell(['cluster', 'user', 'list', '--json'])).stdout)
  t.like(first, { name: 'ann', max_concurrent_runs: 3, tokens: 2, active_runs: 1, invited_until: null })
  const set = await spell(['cluster', 'user', 'set', 'ann', '--role', 'viewer'])
  t.is(set.stdout, "Successfully changed user 'ann'.\n")
  t.like(coordinator.requestsOf<object>('People/Set')[0], { name: 'ann', role: 'viewer' })
  t.is((await spell(['cluster', 'user', 'set', 'ann'])).code, 2)
  t.is((await spell(['cluster', 'user', 'set', 'ann', '--role', 'owner'])).code, 2)
  const removed = await spell(['cluster', 'user', 'remove', 'ann'])
  t.is(removed.stdout, "Successfully removed user 'ann'. Tokens ended: 2. Runs of theirs that go on: 1.\n")
})

test('whoever types the code is logged in, and the code does not show', async (t) => {
  const { onTerminal, address, hash, directory, coordinator } = await stranger(t)
  const terminal = onTerminal(['login', `${address}`, '--ca-hash', `sha256:${hash}`])
  await terminal.until(/Login code or Token: $/)
  terminal.type(`${code.toUpperCase()}\n`.toLowerCase())
  const { stdout } = await terminal.ended
  t.true(stdout.endsWith('Hello, ann!\r\n'), stdout)
  t.false(stdout.includes(code))
  t.is((await readConfig(directory)).contexts[0]?.token, 'fresh')
  t.is(coordinator.requestsOf<{ label: string }>('People/LogIn').length, 1)
})

test('a code on standard input does as well, and one of several addresses is enough', async (t) => {
  const { spell, address, hash, directory } = await stranger(t)
  const words = ['login', `127.0.0.1:1,${address}`, '--ca-hash', hash, '--token-stdin']
  const { stdout, stderr } = await spell(words, { input: `${code}\n` })
  t.is(stdout, 'Hello, ann!\n', stderr)
  t.deepEqual((await readConfig(directory)).contexts[0]?.addresses, ['127.0.0.1:1', address])
  const wrong = await spell(words, { input: `${code.replaceAll('k', 'x')}\n` })
  t.deepEqual([wrong.code, wrong.stderr], [1, 'Error: This login code is not known.\n'])
})

test('an access token is shown once, in the words that scripts know', async (t) => {
  const { spell, coordinator } = await loggedIn(t, answers)
  const { stdout } = await spell(['access-tokens', 'create', 'ci'])
  const [first, token = '', note] = stdout.split('\n')
  t.is(first, "New Access Token 'ci' created at 2026-11-28 20:00:00")
  t.is(note, 'NOTE: this token is not recoverable, so save it somewhere safe.')
  t.deepEqual(readToken(token), {
    secret: 'right',
    addresses: [coordinator.address, '10.0.0.9:7000'],
    caSha256: 'ab'.repeat(32),
  })
  t.is((await spell(['access-tokens', 'create', 'ci', '--raw'])).stdout, `${token}\n`)
  const json = JSON.parse((await spell(['access-tokens', 'create', 'ci', '--json'])).stdout)
  t.deepEqual(json, { name: 'ci', token, created_at: '2026-11-28T20:00:00.000Z' })
})

test('tokens are listed and removed', async (t) => {
  const { spell, coordinator } = await loggedIn(t, answers)
  t.regex(
    (await spell(['access-tokens', 'list'])).stdout,
    /^laptop +login +2026-11-28 20:00:00 +in use here$/m,
  )
  t.is(
    (await spell(['access-tokens', 'list', '--raw'])).stdout,
    'laptop,login,2026-11-28T20:00:00.000Z\n"ci, nightly",access,2026-11-28T20:00:00.000Z\n',
  )
  const [first] = JSON.parse((await spell(['access-tokens', 'list', '--json'])).stdout)
  t.deepEqual(first, { name: 'laptop', kind: 'login', created_at: '2026-11-28T20:00:00.000Z', current: true })
  const { stdout } = await spell(['access-tokens', 'rm', 'ci, nightly'])
  t.is(stdout, "Successfully removed Access Token 'ci, nightly'.\n")
  t.deepEqual(coordinator.requestsOf('Tokens/Remove'), [{ name: 'ci, nightly' }])
})

test('SPELL_TOKEN alone is enough where the token knows its cluster', async (t) => {
  const { spell, address, hash, directory } = await stranger(t)
  const token = writeToken({ secret: 'right', addresses: ['127.0.0.1:1', address], caSha256: hash })
  const { stdout, stderr } = await spell(['whoami', '--raw'], { env: { SPELL_TOKEN: token } })
  t.is(stdout, 'ann,ann@example.org,member\n', stderr)
  const other = writeToken({ secret: 'right', addresses: [address], caSha256: 'ab'.repeat(32) })
  const wrong = await spell(['whoami'], { env: { SPELL_TOKEN: other } })
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /This is not the cluster you mean/)
  t.is((await spell(['login', '--token-stdin'], { input: `${token}\n` })).stdout, 'Hello, ann!\n')
  t.like((await readConfig(directory)).contexts[0], { token: 'right', addresses: ['127.0.0.1:1', address] })
})

test('blanks and line ends around SPELL_TOKEN do not count, and one that says no cluster is called so', async (t) => {
  const { spell, address, hash } = await stranger(t)
  const token = writeToken({ secret: 'right', addresses: [address], caSha256: hash })
  const { stdout, stderr } = await spell(['whoami', '--raw'], { env: { SPELL_TOKEN: ` ${token}\r\n` } })
  t.is(stdout, 'ann,ann@example.org,member\n', stderr)
  const cut = await spell(['whoami'], { env: { SPELL_TOKEN: token.slice(0, 30) } })
  t.is(cut.code, 1)
  t.regex(cut.stderr, /^Error: SPELL_TOKEN does not say where its cluster is/)
})

test('what can not be a token is refused without being shown, however it came', async (t) => {
  const { spell, address, hash, coordinator } = await stranger(t)
  const secret = 'spell1.q0a8-top-secret'
  const where = ['login', address, '--ca-hash', hash, '--token-stdin']
  for (const odd of [`\u201c${secret}\u201d`, `${secret} again`, `${secret}\u0007`, `\u00e9${secret}`]) {
    const env = { SPELL_TOKEN: odd, SPELL_BASE_URL: address, SPELL_CA_HASH: hash }
    for (const { code, stdout, stderr } of [
      await spell(['whoami'], { env }),
      await spell(['login', address, '--ca-hash', hash], { env }),
      await spell(where, { input: `${odd}\n` }),
    ]) {
      t.is(code, 1)
      t.regex(stderr, /^\n?Error: This is no token and no login code/)
      t.notRegex(stdout + stderr, /top-secret/)
    }
  }
  t.deepEqual(coordinator.requests, [])
  const spaced = code.replaceAll('-', ' ')
  await spell(where, { input: `${spaced}\n` })
  t.like(coordinator.requestsOf('People/LogIn'), [{ code: spaced }], 'a code may have blanks')
})

test('a login code with too few letters is not called a token', async (t) => {
  const { spell, address, hash } = await stranger(t)
  const typed = await spell(['login', address, '--ca-hash', hash, '--token-stdin'], {
    input: 'k7fq-29xm-p3wd-8hjt-0r\n',
  })
  t.is(typed.code, 1)
  t.is(
    typed.stderr,
    'Error: The cluster knows no such token. If it is to be a login code: that has 20 letters and digits, and this has 18.\n',
  )
})

test('a token that knows its cluster is not sent to that of the current context', async (t) => {
  const { spell, coordinator } = await loggedIn(t, answers)
  const token = writeToken({ secret: 'right', addresses: ['127.0.0.1:1'], caSha256: 'ab'.repeat(32) })
  const { stderr } = await spell(['whoami'], { env: { SPELL_TOKEN: token } })
  t.regex(stderr, /127\.0\.0\.1:1/)
  t.deepEqual(coordinator.requests, [])
  const named = await spell(['whoami', '--raw', '--context', 'test'], { env: { SPELL_TOKEN: token } })
  t.is(named.stdout, 'ann,ann@example.org,member\n', 'unless somebody says so')
})

test('with a bare token the environment says where the cluster is and by what it is known', async (t) => {
  const { spell, address, hash, cwd, coordinator } = await stranger(t)
  const env = { SPELL_TOKEN: 'right', SPELL_BASE_URL: `127.0.0.1:1,https://${address}/` }
  const told = 'ann,ann@example.org,member\n'
  t.is((await spell(['whoami', '--raw'], { env: { ...env, SPELL_CA_HASH: `sha256:${hash}` } })).stdout, told)
  const file = join(cwd, 'ca.pem')
  writeFileSync(file, coordinator.ca)
  t.is((await spell(['whoami', '--raw'], { env: { ...env, SPELL_CA_FILE: 'ca.pem' } })).stdout, told)
  const requests = coordinator.requests.length
  const unknown = await spell(['whoami'], { env })
  t.is(unknown.code, 1, 'an authority that nobody vouches for')
  t.regex(unknown.stderr, /self-signed.*\. Say which certificate authority is the right one: SPELL_CA_HASH/)
  t.is((await spell(['whoami'], { env: { ...env, SPELL_CA_HASH: 'abcd' } })).code, 1)
  const missing = await spell(['whoami'], { env: { ...env, SPELL_CA_FILE: 'nowhere.pem' } })
  t.regex(missing.stderr, /Could not read the certificate authority/)
  t.is(coordinator.requests.length, requests, 'nothing was sent')
})

test("a coordinator's folder is all that it takes to remake an admin", async (t) => {
  const key = newClusterKey()
  const { spell, address, cwd, coordinator } = await stranger(t)
  coordinator.answers['People/ResetAdmin'] = ({ proof }: { proof: string }) => {
    t.is(unseal(key, 'reset admin', proof), '{"name":"grace"}')
    const { user: _, ...rest } = invitation
    return { sealed: seal(key, 'admin reset', JSON.stringify({ name: 'grace', ...rest })) }
  }
  const trust = join(cwd, 'trust')
  mkdirSync(trust)
  writeFileSync(join(trust, 'cluster.key'), clusterKeyText(key))
  writeFileSync(join(trust, 'ca.pem'), coordinator.ca)
  writeFileSync(
    join(cwd, 'settings.json'),
    JSON.stringify({
      id: 'c1',
      userListen: address,
      clusterKeyFile: 'trust/cluster.key',
      tls: { caFile: 'trust/ca.pem' },
    }),
  )
  const { stdout, stderr } = await spell(['coordinator', 'reset-admin', 'grace', '--dir', '.'])
  t.regex(stdout, /^grace is an admin\.\n/, stderr)
  t.true(stdout.split('\n').includes(code))
  const nowhere = await spell(['coordinator', 'reset-admin', 'grace', '--dir', 'nowhere'])
  t.regex(nowhere.stderr, /nowhere is not the folder of a coordinator: /)
})
