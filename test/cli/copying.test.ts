import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { FakeCall } from './support/fake-coordinator.js'
import { loggedIn } from './support/logged-in.js'

const file = (path: string, content: string, more: object = {}) => ({
  entry: {
    path,
    kind: 'FILE',
    sizeBytes: Buffer.byteLength(content),
    modifiedAtMs: 1_700_000_000_000,
    mode: 0o755,
    ...more,
  },
  data: Buffer.from(content),
})

const sends = (...parts: readonly object[]) => ({
  async *'Files/Read'() {
    yield* parts
  },
})

test("a run's files land in the folder, with their time and mode", async (t) => {
  const { spell, cwd } = await loggedIn(
    t,
    sends(file('runs/7/a', 'one'), file('runs/7/sub/b', ''), { data: Buffer.alloc(0) }),
  )
  const { code, stdout } = await spell(['cp', 'runs/7', 'out'])
  t.deepEqual([code, stdout], [0, '✔ Copied 2 files\n'])
  t.is(readFileSync(join(cwd, 'out/a'), 'utf8'), 'one')
  const { mtimeMs, mode } = statSync(join(cwd, 'out/a'))
  t.is(mtimeMs, 1_700_000_000_000)
  t.is(mode & 0o111, 0o111)
  t.is(readFileSync(join(cwd, 'out/sub/b'), 'utf8'), '')
})

test('a single file and a folder keep their names', async (t) => {
  const { spell, cwd, coordinator } = await loggedIn(t, sends(file('runs/7/deep/a', 'one')))
  t.is((await spell(['cp', 'runs/7/deep/a'])).code, 0)
  t.is((await spell(['cp', 'runs/7/deep'])).code, 0)
  t.is(readFileSync(join(cwd, 'a'), 'utf8'), 'one')
  t.is(readFileSync(join(cwd, 'deep/a'), 'utf8'), 'one')
  t.like(coordinator.requestsOf('Files/Read')[0], { path: 'runs/7/deep/a', recursive: true })
})

test('a file where the folder belongs is named', async (t) => {
  const { spell, cwd } = await loggedIn(t, sends(file('runs/7/a', 'one')))
  writeFileSync(join(cwd, 'out'), 'mine')
  const { code, stderr } = await spell(['cp', 'runs/7', 'out'])
  t.is(code, 1)
  t.regex(stderr, /^Error: Could not write to .*\/out: EEXIST/m)
})

test('what is here already is kept, overwritten, or asked about', async (t) => {
  const { spell, onTerminal, cwd } = await loggedIn(t, {
    async *'Files/Read'({ path }: { path: string }) {
      yield file('runs/7/a', 'new')
      if (path === 'runs/7') yield file('runs/7/b', 'new')
    },
  })
  const here = join(cwd, 'a')
  writeFileSync(here, 'old')
  const unasked = await spell(['cp', 'runs/7'])
  t.is(unasked.code, 1)
  t.is(unasked.stderr, "Error: File 'a' already exists. Use -f to overwrite it or -i to skip it.\n")
  t.is((await spell(['cp', '-f', '-i', 'runs/7'])).code, 2)
  t.is((await spell(['cp', '-i', 'runs/7'])).stdout, '✔ Copied 1 files. Skipped 1 files.\n')
  t.is(readFileSync(here, 'utf8'), 'old')
  const asked = onTerminal(['cp', 'runs/7/a'])
  await asked.until(/File 'a' already exists\. Are you sure you want to overwrite\? \[Y\/n\]: $/)
  asked.type('y\n')
  t.is((await asked.ended).code, 0)
  t.is(readFileSync(here, 'utf8'), 'new')
  writeFileSync(here, 'old')
  t.is((await spell(['cp', '-f', 'runs/7'])).stdout, '✔ Copied 2 files\n')
  t.is(readFileSync(here, 'utf8'), 'new')
})

test('a file that does not arrive whole does not appear, and nothing stays of it', async (t) => {
  const { spell, cwd } = await loggedIn(t, sends(file('runs/7/a', 'short', { sizeBytes: 100 })))
  const { code, stderr } = await spell(['cp', 'runs/7', 'out'])
  t.is(code, 1)
  t.regex(stderr, /did not arrive whole/)
  t.deepEqual(readdirSync(join(cwd, 'out')), [])
})

test('^C leaves what is whole and nothing of the file that was on its way', async (t) => {
  const { start, cwd } = await loggedIn(t, {
    async *'Files/Read'(_request: unknown, { signal }: FakeCall) {
      yield file('runs/7/a', 'one')
      yield file('runs/7/b', 'half', { sizeBytes: 100 })
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
    },
  })
  const out = join(cwd, 'out')
  mkdirSync(out)
  const halfThere = new Promise<void>((resolve) => {
    let whole = false
    const watcher = watch(out, (_event, name) => {
      whole ||= name === 'a'
      if (!whole || !name?.endsWith('.part') || !readdirSync(out).includes(name)) return
      watcher.close()
      resolve()
    })
  })
  const spell = start(['cp', 'runs/7', 'out'])
  await halfThere
  spell.signal('SIGINT')
  t.is((await spell.ended).code, 130)
  t.deepEqual(readdirSync(out), ['a'])
})

for (const path of [
  'runs/7/../../escaped',
  'runs/7//..//escaped',
  'runs/8/other',
  '/etc/escaped',
  'runs/7/a/../../b',
  'runs/7/..',
]) {
  test(`a server cannot write outside the folder: ${path}`, async (t) => {
    const { spell, cwd } = await loggedIn(t, sends(file(path, 'bad')))
    const { code } = await spell(['cp', '-f', 'runs/7', 'out/in'])
    t.is(code, 1)
    t.false(existsSync(join(cwd, 'escaped')))
    t.false(existsSync(join(cwd, 'out/escaped')))
  })
}

test('whatever a name of a file may be here is copied', async (t) => {
  const names = ['back\\slash', '..\\up', '字'.repeat(85)]
  const { spell, cwd } = await loggedIn(t, sends(...names.map((name) => file(`runs/7/${name}`, 'one'))))
  const { stdout, stderr } = await spell(['cp', 'runs/7', 'out'])
  t.is(stdout, '✔ Copied 3 files\n', stderr)
  t.deepEqual(readdirSync(join(cwd, 'out')).sort(), [...names].sort())
})

test('a name of a file cannot steer the terminal', async (t) => {
  const { spell } = await loggedIn(t, sends(file('runs/7/a\u001b]0;b\u0007', 'short', { sizeBytes: 100 })))
  const { stderr } = await spell(['cp', 'runs/7', 'out'])
  t.is(stderr, "Error: 'runs/7/a?]0;b?' did not arrive whole: 5 of 100 bytes (5B).\n")
})

test('a link in the folder is no way out of it', async (t) => {
  const { spell, cwd } = await loggedIn(t, sends(file('runs/7/way/a', 'bad')))
  mkdirSync(join(cwd, 'out'))
  mkdirSync(join(cwd, 'elsewhere'))
  symlinkSync('../elsewhere', join(cwd, 'out/way'))
  t.is((await spell(['cp', '-f', 'runs/7', 'out'])).code, 1)
  t.deepEqual(readdirSync(join(cwd, 'elsewhere')), [])
})

test('overwriting a link replaces the link, not what it points to', async (t) => {
  const { spell, cwd } = await loggedIn(t, sends(file('runs/7/a', 'new')))
  mkdirSync(join(cwd, 'out'))
  writeFileSync(join(cwd, 'precious'), 'old')
  symlinkSync('../precious', join(cwd, 'out/a'))
  t.is((await spell(['cp', '-f', 'runs/7', 'out'])).code, 0)
  t.is(readFileSync(join(cwd, 'precious'), 'utf8'), 'old')
  t.is(readFileSync(join(cwd, 'out/a'), 'utf8'), 'new')
})

test('links are copied unless they lead out of the folder', async (t) => {
  const link = (name: string, linkTarget: string) => ({
    entry: { path: `runs/7/${name}`, kind: 'LINK', linkTarget },
  })
  const { spell, cwd } = await loggedIn(
    t,
    sends(
      link('x/good', '../a'),
      link('bad1', '/etc/passwd'),
      link('bad2', '../up'),
      link('x/bad3', 'q/../../../up'),
    ),
  )
  const { stdout, stderr } = await spell(['cp', 'runs/7', 'out'])
  t.is(stdout, '✔ Copied 1 files. Skipped 3 files.\n')
  t.is(stderr.split('Left out').length, 4)
  t.is(readlinkSync(join(cwd, 'out/x/good')), '../a')
})
