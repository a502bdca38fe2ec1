import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { readConfig } from '../../cli/config.js'
import { loggedIn } from './support/logged-in.js'

const answers = {
  'Account/WhoAmI': () => ({ name: 'ada', role: 'member' }),
  'Cluster/Get': () => ({ name: 'lab', coordinators: [] }),
}

/** A proxy that alone knows where `cluster.test` is: on this machine. */
async function tinyProxy(t: ExecutionContext) {
  const asked: string[] = []
  const server = createServer()
  server.on('connect', (request, client, head) => {
    asked.push(`${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim())
    if (request.headers['proxy-authorization'] === undefined) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      return
    }
    const port = Number(request.url?.split(':').at(-1))
    const onward = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.write(head)
      onward.pipe(client).pipe(onward)
    })
    for (const socket of [onward, client]) socket.on('error', () => onward.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.closeAllConnections())
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  return { asked, port }
}

test('login and calls go through a proxy, which alone resolves the name', async (t) => {
  const { spell, directory, coordinator } = await loggedIn(t, answers)
  const { asked, port } = await tinyProxy(t)
  rmSync(join(directory, 'config'))
  const address = coordinator.address.replace('127.0.0.1', 'cluster.test')
  const hash = new X509Certificate(coordinator.ca).fingerprint256
  const env = { HTTPS_PROXY: `http://me:pass@127.0.0.1:${port}`, NO_PROXY: 'other.test, localhost' }
  const login = await spell(['login', address, '--ca-hash', hash, '--token-stdin'], { env, input: 'right\n' })
  t.is(login.code, 0, login.stderr)
  t.is((await readConfig(directory)).contexts[0]?.addresses[0], address)
  t.is((await spell(['whoami'], { env })).stdout.includes('ada'), true)
  const authorization = `Basic ${Buffer.from('me:pass').toString('base64')}`
  t.true(asked.length >= 3)
  t.deepEqual([...new Set(asked)], [`${address} ${authorization}`])

  const direct = await spell(['whoami'], { env: { ...env, NO_PROXY: '.test' } })
  t.is(direct.code, 1)
  t.regex(direct.stderr, /Could not reach a coordinator at cluster\.test/)
  const refused = await spell(
    ['login', address.replace('cluster', 'another'), '--ca-hash', hash, '--token-stdin'],
    {
      env: { HTTPS_PROXY: `http://127.0.0.1:${port}` },
      input: 'right\n',
    },
  )
  t.regex(refused.stderr, /the proxy 127\.0\.0\.1:\d+ answered 407/)
})

test('a cluster on this machine is reached without the proxy', async (t) => {
  const { spell } = await loggedIn(t, answers)
  const env = { https_proxy: 'http://127.0.0.1:1', http_proxy: 'http://127.0.0.1:1' }
  const { code, stderr } = await spell(['whoami'], { env })
  t.is(code, 0, stderr)
})

test('SPELL_CA_FILE says whom to trust where no context does; so does Node’s own variable', async (t) => {
  const { spell, directory, coordinator, cwd } = await loggedIn(t, answers)
  rmSync(join(directory, 'config'))
  const file = join(cwd, 'corporate.pem')
  writeFileSync(file, coordinator.ca)
  const env = { SPELL_TOKEN: 'right', SPELL_BASE_URL: coordinator.address }
  t.is((await spell(['whoami'], { env })).code, 1, 'nobody knows this authority')
  for (const trust of [{ SPELL_CA_FILE: file }, { NODE_EXTRA_CA_CERTS: file }]) {
    const { code, stderr } = await spell(['whoami'], { env: { ...env, ...trust } })
    t.is(code, 0, stderr)
  }
  const missing = await spell(['whoami'], { env: { ...env, SPELL_CA_FILE: `${file}.not` } })
  t.regex(missing.stderr, /Could not read the certificate authority/)
})
