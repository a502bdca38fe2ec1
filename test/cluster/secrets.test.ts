import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import { readToken } from '../../common/portable-token.js'
import { type Ended, ended, spellProgram, startCluster, type TestCluster } from '../fixtures/cluster.js'

// What must be nowhere but where it belongs, looked for in the bytes of everything that a cluster keeps and starts; and
// people who come and go, through the program as they have it.

interface Person {
  start(
    words: readonly string[],
    more?: { readonly env?: object; readonly input?: string },
  ): ReturnType<typeof spawn>
  spell(words: readonly string[], more?: { readonly env?: object; readonly input?: string }): Promise<Ended>
}

/** Somebody with a client's directory of their own. */
function personOf(cluster: TestCluster, name: string): Person {
  const folder = join(cluster.dir, '..')
  const base = { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8', SPELL_DIR: join(folder, name) }
  const start: Person['start'] = (words, { env, input = '' } = {}) => {
    const child = spawn(process.execPath, [spellProgram, ...words], {
      cwd: folder,
      env: { ...base, ...env },
      stdio: 'pipe',
    })
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    return child
  }
  return { start, spell: async (words, more) => await ended(start(words, more)) }
}

interface Invited {
  readonly code: string
  readonly login_command: string
}

/** Adds a user and logs in as them, as the printed command has it. */
async function newcomer(
  t: ExecutionContext,
  cluster: TestCluster,
  name: string,
  words: readonly string[] = [],
) {
  const added = await cluster.spell(['cluster', 'user', 'add', name, '--json', ...words])
  t.is(added.code, 0, added.stderr)
  const { code, login_command } = JSON.parse(added.stdout) as Invited
  const person = personOf(cluster, name)
  const typed = [...login_command.split(' ').slice(1), '--token-stdin']
  const login = await person.spell(typed, { input: `${code}\n` })
  t.is(login.stdout, `Hello, ${name}!\n`, login.stderr)
  const config = await readFile(join(cluster.dir, '..', name, 'config'), 'utf8')
  return { ...person, code, token: /token: (\S+)/.exec(config)?.[1] ?? (t.fail() as never) }
}

/** Every file below, with its bytes. */
function* bytesBelow(folder: string): Generator<readonly [path: string, bytes: Buffer]> {
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
    if (entry.isFile()) {
      const path = join(entry.parentPath, entry.name)
      yield [path, readFileSync(path)]
    }
}

/** Command lines of everything that runs. */
function* commandLines(): Generator<readonly [path: string, bytes: Buffer]> {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    try {
      yield [`/proc/${pid}/cmdline`, readFileSync(`/proc/${pid}/cmdline`)]
    } catch {
      // It has ended meanwhile.
    }
}

function found(places: Iterable<readonly [string, Buffer]>, wanted: Readonly<Record<string, Buffer>>) {
  const hits: string[] = []
  for (const [path, bytes] of places)
    for (const [what, needle] of Object.entries(wanted))
      if (bytes.includes(needle)) hits.push(`${what} in ${path}`)
  return hits
}

/** A key as its file has it, line by line, and as bytes. */
async function keyParts(name: string, file: string): Promise<Record<string, Buffer>> {
  const lines = (await readFile(file, 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('-----'))
  const parts = lines.map((line, index) => [`line ${index + 1} of ${name}`, Buffer.from(line)] as const)
  return { ...Object.fromEntries(parts), [`the bytes of ${name}`]: Buffer.from(lines.join(''), 'base64') }
}

test.serial('neither etcd, store, logs nor arguments have a secret, a token or a key', async (t) => {
  const cluster = await startCluster(t, { runtime: 'process', coordinators: 2 })
  const { dir } = cluster
  const ann = await newcomer(t, cluster, 'ann')
  const created = await ann.spell(['access-tokens', 'create', 'ci', '--raw'])
  const portable = created.stdout.trim()
  const secret = `secret-${createHash('sha256').update(ann.token).digest('hex').slice(0, 20)}`
  const command = 'printf %s "$PASSWORD" | sha256sum; mkfifo gate; read -r line < gate'
  const submitted = await ann.spell(['run', '-f', '-b', '--env', `PASSWORD=${secret}`, command])
  t.is(submitted.code, 0, submitted.stderr)
  const followed = ann.start(['logs', '-f', '1'], { env: { SPELL_TOKEN: portable } })
  const hash = createHash('sha256').update(secret).digest('hex')
  t.true(await untilPrinted(followed, new RegExp(`^${hash}`)), 'the run has the value')
  const wanted = {
    'the value of --env': Buffer.from(secret),
    'its Base64': Buffer.from(Buffer.from(secret).toString('base64').slice(0, 30)),
    'the login code': Buffer.from(ann.code),
    'the plain login code': Buffer.from(ann.code.replaceAll('-', '')),
    'the login token': Buffer.from(ann.token),
    'the access token': Buffer.from(readToken(portable).secret),
    "the cluster's own token": Buffer.from((await readFile(join(dir, 'trust/admin-token'), 'utf8')).trim()),
    ...(await keyParts("the authority's key", join(dir, 'trust/ca-key.pem'))),
    ...(await keyParts("the cluster's key", join(dir, 'trust/cluster.key'))),
  }
  t.deepEqual(found(commandLines(), wanted), [])
  await writeFile(join(dir, 'data/node-1/attempts/1.1/spell/gate'), 'on\n')
  t.deepEqual(await once(followed, 'close'), [0, null])
  t.regex((await ann.spell(['info', '1', '--show-env'])).stdout, new RegExp(`PASSWORD=${secret}`))
  t.false((await ann.spell(['info', '1'])).stdout.includes(secret))
  const admin = await cluster.spell(['info', '1', '--show-env'])
  t.is(admin.code, 1)
  t.regex(admin.stderr, /shown to the run's owner only: ann/)
  // A leader that was not there when it was submitted: all of it comes from etcd.
  const { processes } = await cluster.status()
  const leader = processes.find((one) => one.leader)
  process.kill(leader?.pid ?? 0, 'SIGKILL')
  t.regex((await ann.spell(['info', '1', '--show-env'])).stdout, new RegExp(`PASSWORD=${secret}`))
  const kept = [join(dir, 'etcd'), join(dir, 'store'), join(dir, 'logs')]
  const coordinators = readdirSync(join(dir, 'data')).filter((name) => name.startsWith('coordinator'))
  const folders = [...kept, ...coordinators.map((name) => join(dir, 'data', name))]
  for (const folder of folders) t.deepEqual(found(bytesBelow(folder), wanted), [], folder)
  const name = { 'its name': Buffer.from('"PASSWORD"') }
  t.true(found(bytesBelow(join(dir, 'etcd')), name).length > 0, 'what is there is found')
})

test.serial('whoever is removed sees nothing more from that moment, and the run goes on', async (t) => {
  const cluster = await startCluster(t, { runtime: 'process', coordinators: 2 })
  const ann = await newcomer(t, cluster, 'ann')
  const command = 'echo begun; mkfifo gate; read -r line < gate; echo ended'
  t.is((await ann.spell(['run', '-f', '-b', command])).code, 0)
  const { processes } = await cluster.status()
  const addresses = processes.filter(({ role }) => role === 'coordinator').map(({ address }) => address)
  const following = addresses.map((address) =>
    ann.start(['logs', '-f', '1'], { env: { SPELL_BASE_URL: address } }),
  )
  const ends = following.map((child) => {
    let said = ''
    child.stderr?.on('data', (bytes: Buffer) => {
      said += String(bytes)
    })
    return once(child, 'close').then(([code]) => ({ code, said }))
  })
  for (const child of following) t.true(await untilPrinted(child, /^begun$/))
  const removed = await cluster.spell(['cluster', 'user', 'remove', 'ann'])
  t.is(removed.stdout, "Successfully removed user 'ann'. Tokens ended: 1. Runs of theirs that go on: 1.\n")
  for (const { code, said } of await Promise.all(ends)) {
    t.is(code, 1)
    t.regex(said, /The token of this call was ended\. Please log in/)
  }
  const after = await ann.spell(['ps'])
  t.is(after.code, 1)
  t.regex(after.stderr, /does not know the token, or it was ended/)
  await writeFile(join(cluster.dir, 'data/node-1/attempts/1.1/spell/gate'), 'on\n')
  const log = await cluster.spell(['logs', '-f', '1'])
  t.regex(log.stdout, /^ended$/m)
  t.regex((await cluster.spell(['info', '1'])).stdout, /^Creator +ann$/m)
})

test.serial('a lost admin is remade in the folder of a coordinator', async (t) => {
  const cluster = await startCluster(t, { runtime: 'dummy' })
  const reset = await cluster.spell(['coordinator', 'reset-admin', 'grace', '--dir', cluster.dir, '--json'])
  t.is(reset.code, 0, reset.stderr)
  const { code, login_command } = JSON.parse(reset.stdout) as Invited
  const grace = personOf(cluster, 'grace')
  const words = [...login_command.split(' ').slice(1), '--token-stdin']
  t.is((await grace.spell(words, { input: `${code}\n` })).stdout, 'Hello, grace!\n')
  t.is((await grace.spell(['whoami', '--raw'])).stdout, 'grace,,admin\n')
  const again = await grace.spell(words, { input: `${code}\n` })
  t.is(again.code, 1)
  t.regex(again.stderr, /used before, and is good once/)
})

test.serial(
  "in a private cluster a member sees others' rows, and neither their logs nor their files",
  async (t) => {
    const cluster = await startCluster(t, { runtime: 'process' })
    const ann = await newcomer(t, cluster, 'ann')
    const bob = await newcomer(t, cluster, 'bob', ['--role', 'viewer'])
    t.is((await ann.spell(['run', '-f', 'echo seen; echo made > file'])).code, 0)
    t.regex((await bob.spell(['logs', '1'])).stdout, /^seen$/m)
    t.is((await cluster.spell(['cluster', 'set', 'private', 'true'])).code, 0)
    for (const words of [
      ['logs', '1'],
      ['ls', 'runs/1'],
      ['cp', 'runs/1/file', 'copied'],
    ]) {
      const refused = await bob.spell(words)
      t.is(refused.code, 1, words.join(' '))
      t.regex(refused.stderr, /Run 1 is ann's, and this cluster is private/)
      t.is((await ann.spell(words)).code, 0)
    }
    t.regex((await bob.spell(['ps'])).stdout, /echo seen/)
    t.is((await bob.spell(['info', '1'])).code, 0)
    const viewer = await bob.spell(['run', '-f', '-b', 'echo no'])
    t.is(viewer.code, 1)
    t.regex(viewer.stderr, /bob is a viewer; this needs the role member/)
  },
)

async function untilPrinted(child: ReturnType<TestCluster['start']>, pattern: RegExp): Promise<boolean> {
  if (!child.stdout) return false
  for await (const line of createInterface({ input: child.stdout })) {
    if (!pattern.test(line)) continue
    child.stdout.resume()
    return true
  }
  return false
}
