import { createHash, randomBytes } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { silentLog } from '../../../common/log.js'
import { byteRange } from '../../../coordinator/downloads/byte-range.js'
import { DownloadServer } from '../../../coordinator/downloads/download-server.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const archive = 'spell-node-1.2.3-linux-x64.tar.gz'
const content = randomBytes(3_000_000)
const hash = createHash('sha256').update(content).digest('hex')

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** A server of a folder in which the one archive lies, and a file that is on no list; another beside the folder. */
async function served(t: ExecutionContext) {
  const above = await temporaryFolder(t)
  const folder = join(above, 'packages')
  await mkdir(folder)
  await writeFile(join(above, 'secret'), 'secret')
  await writeFile(join(folder, 'unlisted'), 'unlisted')
  await writeFile(join(folder, archive), content)
  await writeFile(join(folder, 'SHA256SUMS'), `${hash}  ${archive}\n`)
  const authority = await makeAuthority('test')
  const names = { commonName: 'coordinator:a', dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }
  const { certificatePem, keyPem } = await issueCertificate(authority, names)
  const server = new DownloadServer(
    { folder },
    { certificate: Buffer.from(certificatePem), key: Buffer.from(keyPem), log: silentLog },
  )
  const port = await server.listen('127.0.0.1:0')
  t.teardown(() => server.close())
  const get = (path: string, options: RequestOptions = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const settings = {
        host: '127.0.0.1',
        port,
        path,
        ca: authority.certificatePem,
        agent: false,
        ...options,
      }
      request(settings, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).once('error', reject)
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        )
      })
        .once('error', reject)
        .end()
    })
  return { folder, port, get, server }
}

test('what is on the list is served with its hashes, whole or in part', async (t) => {
  const { get } = await served(t)
  t.is((await get('/')).body.toString(), `node.sh\nSHA256SUMS\n${archive}\n`)
  t.is((await get('/SHA256SUMS')).body.toString(), `${hash}  ${archive}\n`)
  const script = (await get('/node.sh')).body.toString()
  t.true(script.includes(hash))
  t.is((await get('/node.sh')).body.toString(), script)
  const whole = await get(`/${archive}`)
  t.true(whole.body.equals(content))
  t.is(whole.headers.etag, `"${hash}"`)
  const part = await get(`/${archive}`, { headers: { range: 'bytes=1000-1999' } })
  t.is(part.status, 206)
  t.is(part.headers['content-range'], `bytes 1000-1999/${content.length}`)
  t.true(part.body.equals(content.subarray(1000, 2000)))
  const changed = await get(`/${archive}`, { headers: { range: 'bytes=1000-', 'if-range': '"other"' } })
  t.is(changed.status, 200)
  t.is(changed.body.length, content.length)
  t.is((await get(`/${archive}`, { headers: { range: `bytes=${content.length}-` } })).status, 416)
  const head = await get(`/${archive}`, { method: 'HEAD' })
  t.is(head.headers['content-length'], String(content.length))
  t.is(head.body.length, 0)
})

for (const path of [
  '/unlisted',
  '/../secret',
  '/..%2fsecret',
  '/%2e%2e/secret',
  `/${archive}/../unlisted`,
  '//etc/passwd',
  '/cli.sh',
  '/toString',
  '/__proto__',
]) {
  test(`what is not on the list is not there: ${path}`, async (t) => {
    const { get } = await served(t)
    const { status, body } = await get(path)
    t.is(status, 404)
    t.regex(body.toString(), /^There is no .*; \/ says what there is\.\n$/)
  })
}

test('archives may come and go while it serves, and without any the sentence says how to make them', async (t) => {
  const { get, folder } = await served(t)
  await rm(join(folder, archive))
  const gone = await get(`/${archive}`)
  t.deepEqual(
    [gone.status, gone.body.toString()],
    [404, `${archive} is on the list but not in the folder.\n`],
  )
  await rm(join(folder, 'SHA256SUMS'))
  for (const path of ['/', '/node.sh', `/${archive}`]) {
    const none = await get(path)
    t.is(none.status, 404)
    t.true(none.body.toString().includes(`no archives of spell in ${folder}`))
    t.true(none.body.toString().includes('"npm run package"'))
  }
  await writeFile(join(folder, 'SHA256SUMS'), `${hash}  spell-1.0.0-darwin-arm64.tar.gz\n`)
  t.is((await get('/cli.sh')).status, 200)
  t.is((await get('/node.sh')).status, 404)
})

test('other methods are refused, and what is no TLS is cut', async (t) => {
  const { get, port } = await served(t)
  t.is((await get('/', { method: 'POST' })).status, 405)
  const socket = connect(port, '127.0.0.1')
  socket.end('GET / HTTP/1.1\r\n\r\n')
  await new Promise<void>((resolve) =>
    socket
      .once('close', () => resolve())
      .resume()
      .on('error', () => undefined),
  )
  t.is((await get('/')).status, 200)
})

test('closing cuts a download that nobody reads', async (t) => {
  const { server, port, get } = await served(t)
  const asked = request({
    host: '127.0.0.1',
    port,
    path: `/${archive}`,
    rejectUnauthorized: false,
    agent: false,
  })
  const begun = new Promise<IncomingMessage>((resolve) => asked.once('response', resolve))
  asked.end()
  const response = await begun
  await server.close()
  const ended = new Promise<void>((resolve) => response.once('close', () => resolve()))
  response.on('error', () => undefined).resume()
  await ended
  t.false(response.complete)
  await t.throwsAsync(get('/'))
})

const ranges: readonly (readonly [string | undefined, ReturnType<typeof byteRange>])[] = [
  [undefined, 'whole'],
  ['bytes=0-', { first: 0, last: 99 }],
  ['bytes=10-19', { first: 10, last: 19 }],
  ['bytes=10-1000', { first: 10, last: 99 }],
  ['bytes=-10', { first: 90, last: 99 }],
  ['bytes=-1000', { first: 0, last: 99 }],
  ['bytes=-0', 'none'],
  ['bytes=100-', 'none'],
  ['bytes=20-10', 'whole'],
  ['bytes=0-1,5-6', 'whole'],
  ['bytes=-', 'whole'],
  ['lines=1-2', 'whole'],
]
for (const [header, expected] of ranges) {
  test(`the range ${header} of 100 bytes`, (t) => t.deepEqual(byteRange(header, 100), expected))
}
