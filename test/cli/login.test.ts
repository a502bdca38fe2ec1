import { X509Certificate } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readConfig } from '../../cli/config.js'
import { RpcError } from '../../common/errors.js'
import type { FakeCall } from './support/fake-coordinator.js'
import { loggedIn } from './support/logged-in.js'

const answers = {
  'Account/WhoAmI': (_request: unknown, { token }: FakeCall) => {
    if (token !== 'right') throw new RpcError('UNAUTHENTICATED', 'This token is not known.')
    return { name: 'ada', role: 'member' }
  },
  'Cluster/Get': () => ({ name: 'lab', coordinators: [{ userAddress: '10.0.0.9:7000' }] }),
  'Account/Logout': () => ({}),
}

/** A desk at which nobody has logged in yet. */
async function stranger(t: ExecutionContext) {
  const made = await loggedIn(t, answers)
  rmSync(join(made.directory, 'config'))
  const hash = new X509Certificate(made.coordinator.ca).fingerprint256
  return { ...made, hash, address: made.coordinator.address }
}

test('who knows the hash of the authority and has a token is greeted, and known from then on', async (t) => {
  const { spell, directory, hash, address, coordinator } = await stranger(t)
  const args = ['login', `https://${address}/`, '--ca-hash', `sha256:${hash.toLowerCase()}`, '--token-stdin']
  const { code, stdout, stderr } = await spell(args, { input: 'right\n' })
  t.deepEqual([code, stdout], [0, 'Hello, ada!\n'], stderr)
  const config = await readConfig(directory)
  t.is(config.currentContext, 'lab')
  t.like(config.contexts[0], { addresses: [address, '10.0.0.9:7000'], token: 'right', userName: 'ada' })
  t.is(config.contexts[0]?.ca.trim(), coordinator.ca.trim())
})

test('login and logout as JSON', async (t) => {
  const { spell, hash, address } = await stranger(t)
  const options = ['--ca-hash', hash, '--token-stdin', '--json']
  const login = await spell(['login', address, ...options], { input: 'right\n' })
  const addresses = [address, '10.0.0.9:7000']
  const user = { name: 'ada', email: '', role: 'member', max_concurrent_runs: null }
  t.deepEqual(JSON.parse(login.stdout), { ...user, context: 'lab', addresses })
  t.deepEqual(JSON.parse((await spell(['whoami', '--json'])).stdout), JSON.parse(login.stdout))
  const logout = await spell(['logout', '--json'])
  t.deepEqual(JSON.parse(logout.stdout), { context: 'lab', token_ended: true })
})

test('another hash is another cluster, and nothing is sent to it', async (t) => {
  const { spell, address, coordinator } = await stranger(t)
  const { code, stderr } = await spell(['login', address, '--ca-hash', 'abcd', '--token-stdin'], {
    input: 'right\n',
  })
  t.is(code, 1)
  t.regex(stderr, /^Error: This is not the cluster you mean/)
  t.deepEqual(coordinator.requests, [])
})

test('without a hash somebody must say yes, and without a terminal nobody can', async (t) => {
  const { spell, onTerminal, address, hash, directory } = await stranger(t)
  const { code, stderr } = await spell(['login', address, '--token-stdin'], { input: 'right\n' })
  t.is(code, 1)
  t.regex(stderr, /--ca-hash/)
  const terminal = onTerminal(['login', address])
  await terminal.until(/Do you trust it\? \[Y\/n\]: $/)
  terminal.type('\n')
  await terminal.until(/Token: $/)
  terminal.type('right\n')
  const { stdout } = await terminal.ended
  t.true(stdout.includes(hash.replaceAll(':', '').toLowerCase()))
  t.false(stdout.includes('right'), 'the token is not shown')
  t.true(stdout.endsWith('Hello, ada!\r\n'))
  t.is((await readConfig(directory)).contexts.length, 1)
})

test('a port that there cannot be is no address', async (t) => {
  const { spell } = await loggedIn(t, answers)
  for (const port of ['99999', '65536', '0']) {
    const sentence = `Error: "localhost:${port}" is not an address: it must be host:port or https://host:port.\n`
    const login = await spell(['login', `localhost:${port}`, '--token-stdin'], { input: 'right\n' })
    t.deepEqual([login.code, login.stderr], [3, sentence])
    const whoami = await spell(['whoami'], { env: { SPELL_BASE_URL: `localhost:${port}` } })
    t.deepEqual([whoami.code, whoami.stderr], [3, sentence])
  }
})

test('a wrong token leaves the config as it was', async (t) => {
  const { spell, address, hash, directory } = await stranger(t)
  const { code, stderr } = await spell(['login', address, '--ca-hash', hash, '--token-stdin'], {
    input: 'wrong\n',
  })
  t.is(code, 1)
  t.is(stderr, 'Error: This token is not known. Please log in ("spell login").\n')
  t.is((await readConfig(directory)).contexts.length, 0)
})

test('logout ends the token and forgets it', async (t) => {
  const { spell, coordinator, directory } = await loggedIn(t, answers)
  t.is((await spell(['logout'])).stdout, 'Goodbye!\n')
  t.is(coordinator.requestsOf('Account/Logout').length, 1)
  t.is((await readConfig(directory)).contexts[0]?.token, '')
  const after = await spell(['ps'])
  t.deepEqual(
    [after.code, after.stderr],
    [1, 'Error: No login session found. Please log in ("spell login").\n'],
  )
})

test('logout ends the token of SPELL_TOKEN where that is set, and leaves the one of the context', async (t) => {
  const tokens: string[] = []
  const { spell, directory } = await loggedIn(t, {
    'Account/Logout': (_request, { token }) => {
      tokens.push(token)
      return {}
    },
  })
  const { stdout, stderr } = await spell(['logout'], { env: { SPELL_TOKEN: 'other' } })
  t.is(stdout, 'Goodbye!\n')
  t.regex(stderr, /^SPELL_TOKEN is still set/)
  t.deepEqual(tokens, ['other'])
  t.is((await readConfig(directory)).contexts[0]?.token, 'secret')
  await spell(['logout'], { env: { SPELL_TOKEN: 'secret' } })
  t.is((await readConfig(directory)).contexts[0]?.token, '', 'the same token is worth nothing in the context')
})

test("logout forgets the original's token, outside of contexts", async (t) => {
  const { spell, directory, coordinator } = await loggedIn(t, answers)
  const context = { addresses: [coordinator.address], ca: coordinator.ca }
  writeFileSync(join(directory, 'config'), JSON.stringify({ token: 'old', contexts: { x: context } }))
  t.is((await spell(['logout'])).code, 0)
  t.is((await readConfig(directory)).token, undefined)
})

test('logout from the token of the cluster itself says that it stays valid, and forgets it here', async (t) => {
  const { spell, directory } = await loggedIn(t, {
    ...answers,
    'Account/Logout': () => {
      throw new RpcError('FAILED_PRECONDITION', 'The token stays valid.')
    },
  })
  const { code, stdout, stderr } = await spell(['logout'])
  t.deepEqual([code, stdout], [0, 'Goodbye!\n'])
  t.is(stderr, 'The token stays valid. It is forgotten here; "spell login" brings the login back.\n')
  t.is((await readConfig(directory)).contexts[0]?.token, '')
})

test('SPELL_TOKEN and SPELL_BASE_URL go over the config', async (t) => {
  const { spell, address, directory } = await stranger(t)
  const env = { SPELL_TOKEN: 'right', SPELL_BASE_URL: `https://${address}` }
  t.is((await spell(['whoami'], { env })).code, 1, 'an authority that nobody vouches for')
  const { coordinator } = await loggedIn(t, answers)
  writeFileSync(
    join(directory, 'config'),
    JSON.stringify({
      contexts: { x: { addresses: [coordinator.address], ca: coordinator.ca, token: 'wrong' } },
    }),
  )
  t.is((await spell(['whoami', '--raw'], { env: { SPELL_TOKEN: 'right' } })).stdout, 'ada,,member\n')
})

test('contexts are listed, chosen and removed', async (t) => {
  const { spell } = await loggedIn(t)
  t.regex((await spell(['context', 'list'])).stdout, /^\* {2}test {2}127\.0\.0\.1:\d+ {2}ada$/m)
  t.is((await spell(['context', 'use', 'nowhere'])).code, 3)
  t.is((await spell(['ps', '--context', 'nowhere'])).code, 3)
  t.is((await spell(['--context', 'nowhere', 'ps'])).code, 3)
  t.is((await spell(['context', 'use', 'test', '--json'])).stdout, '{"name":"test"}\n')
  t.is((await spell(['context', 'use', 'test'])).stdout, 'Using test from now on.\n')
  t.is((await spell(['context', 'rm', 'test', '--json'])).stdout, '{"name":"test"}\n')
  t.is((await spell(['ps'])).code, 1)
})
