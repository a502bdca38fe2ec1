import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { systemClock } from '../../common/clock.js'
import { RpcError, type StatusName } from '../../common/errors.js'
import { DirectoryStore } from '../../spellfs/directory-store.js'
import { comparePaths, sha256Hex } from '../../spellfs/manifest.js'
import { markDirectoryStore } from '../../spellfs/store-mark.js'
import { smallDisk } from '../fixtures/small-disk.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

test('what was put is read, whole and in ranges', async (t) => {
  const { store } = await makeStore(t)
  const bytes = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index % 251))
  const stored = await store.put('a/b c/ü', pieces(bytes))
  t.deepEqual(stored, { sizeBytes: bytes.length, sha256: sha256Hex(bytes) })
  t.deepEqual(await read(store, 'a/b c/ü'), bytes)
  t.deepEqual(await read(store, 'a/b c/ü', { offset: 7, length: 300_001 }), bytes.subarray(7, 300_008))
  t.deepEqual(await read(store, 'a/b c/ü', { offset: 599_999 }), bytes.subarray(599_999))
  t.deepEqual(await read(store, 'a/b c/ü', { offset: 700_000 }), Buffer.alloc(0))
  t.is((await store.head('a/b c/ü'))?.sizeBytes, bytes.length)
})

test('an object is replaced whole, and an empty one is one', async (t) => {
  const { store } = await makeStore(t)
  await store.put('x', Buffer.from('old and long'))
  await store.put('x', Buffer.from('new'))
  t.is((await read(store, 'x')).toString(), 'new')
  await store.put('x', Buffer.alloc(0))
  t.is((await store.head('x'))?.sizeBytes, 0)
})

test('what is not there is undefined, NOT_FOUND to read, and fine to delete', async (t) => {
  const { store } = await makeStore(t)
  t.is(await store.head('a/b'), undefined)
  await refused(t, read(store, 'a/b'), 'NOT_FOUND')
  await store.delete('a/b')
  await store.deleteAll('a')
  await store.put('a/b', Buffer.from('x'))
  await store.delete('a/b')
  t.is(await store.head('a/b'), undefined)
  t.is(await store.head('a'), undefined)
})

test('what is below .spell is for the owner alone, the rest is as the umask has it', async (t) => {
  const { store, directory } = await makeStore(t)
  await store.put('.spell/archive/1.1.jsonl', Buffer.from('x'))
  await store.put('runs/1/x', Buffer.from('x'))
  const modeOf = async (name: string) => (await stat(join(directory, name))).mode & 0o777
  for (const folder of ['.spell', '.spell/archive', '.spell/temporary']) t.is(await modeOf(folder), 0o700)
  for (const file of ['.spell/mark', '.spell/archive/1.1.jsonl']) t.is(await modeOf(file), 0o600)
  t.is(await modeOf('runs/1'), 0o755 & ~process.umask())
  t.is(await modeOf('runs/1/x'), 0o644 & ~process.umask())
})

const badName = test.macro<[string]>({
  async exec(t, name) {
    const { store, directory } = await makeStore(t)
    await refused(t, store.put(name, Buffer.from('x')), 'INVALID_ARGUMENT')
    await refused(t, read(store, name), 'INVALID_ARGUMENT')
    await refused(t, store.deleteAll(name), 'INVALID_ARGUMENT')
    t.deepEqual(await readdir(directory), ['.spell'])
  },
  title: (_, name) => `refuses the name ${JSON.stringify(name)}`,
})
for (const name of ['', '/etc/x', '../x', 'a/../../x', 'a/..', '.', 'a//b', 'a/', 'a\0b']) test(badName, name)

test('bytes that hash to something else, or are too many, or break off, leave nothing behind', async (t) => {
  const { store, directory } = await makeStore(t)
  await store.put('x', Buffer.from('old'))
  await refused(
    t,
    store.put('x', Buffer.from('new'), { sha256: sha256Hex(Buffer.from('other')) }),
    'DATA_LOSS',
  )
  await refused(t, store.put('x', pieces(Buffer.alloc(200_000)), { maxBytes: 100_000 }), 'RESOURCE_EXHAUSTED')
  const aborted = AbortSignal.abort(new Error('enough'))
  await t.throwsAsync(store.put('x', Buffer.from('new'), { signal: aborted }), { message: 'enough' })
  async function* broken() {
    yield Buffer.from('half')
    throw new Error('broke off')
  }
  await t.throwsAsync(store.put('x', broken()), { message: 'broke off' })
  t.is((await read(store, 'x')).toString(), 'old')
  t.deepEqual(await readdir(join(directory, '.spell/temporary')), [])
})

test('a list is ordered by name and can be had in pages', async (t) => {
  const segment = fc.constantFrom('a', 'a.b', 'a-', 'b', 'B', 'ü', '0')
  const names = fc.uniqueArray(
    fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => `${segments.join('/')}/f`),
    { maxLength: 12 },
  )
  await fc.assert(
    fc.asyncProperty(names, fc.integer({ min: 1, max: 5 }), async (all, limit) => {
      const { store } = await makeStore(t)
      for (const name of all) await store.put(`in/${name}`, Buffer.from(name))
      await store.put('in-between', Buffer.from('x'))
      const found: string[] = []
      for (let more = true; more; ) {
        const after = found.at(-1)
        const page = await store.list('in', after === undefined ? { limit } : { limit, after })
        found.push(...page.objects.map((object) => object.name))
        more = page.more
      }
      t.deepEqual(found, all.map((name) => `in/${name}`).sort(comparePaths))
    }),
    { numRuns: 15 },
  )
})

test('staged objects are there after settling, few and many; deleteAll takes those below and no others', async (t) => {
  const { store } = await makeStore(t)
  for (const count of [3, 40]) {
    for (let index = 0; index < count; index++)
      await store.stage(`runs/1/f${index % 7}/${index}`, Buffer.from(`${index}`))
    await store.settle('runs/1')
    t.is((await store.list('runs/1', { limit: 100 })).objects.length, count)
    await store.put('runs/10', Buffer.from('x'))
    await store.deleteAll('runs/1')
  }
  t.deepEqual(
    (await store.list('runs', { limit: 100 })).objects.map((object) => object.name),
    ['runs/10'],
  )
  await store.stage('runs/1/f0/again', Buffer.from('x'))
  await store.settle('runs/1')
  t.is((await read(store, 'runs/1/f0/again')).toString(), 'x')
})

test('what was staged is not written over, and a deletion takes nothing that comes after its one step', async (t) => {
  const { store, directory } = await makeStore(t)
  const other = new DirectoryStore({ directory, cluster: 'test' }, systemClock)
  await other.stage('runs/1/f', Buffer.from('recorded'))
  await refused(t, store.stage('runs/1/f', Buffer.from('late')), 'ABORTED')
  await refused(t, store.stage('runs/1/f', pieces(Buffer.from('late'))), 'ABORTED')
  t.is((await read(store, 'runs/1/f')).toString(), 'recorded')
  for (let index = 0; index < 200; index++) await store.stage(`runs/2/${index}`, Buffer.from('old'))
  const deleted = store.deleteAll('runs/2')
  while ((await store.head('runs/2/0')) !== undefined);
  await other.stage('runs/2/199', Buffer.from('new'))
  await deleted
  t.is((await read(store, 'runs/2/199')).toString(), 'new')
  t.deepEqual(await readdir(join(directory, '.spell/temporary')), [])
})

test('what a deletion was killed in is removed a day later', async (t) => {
  const { directory } = await makeStore(t)
  await mkdir(join(directory, '.spell/temporary/half/folder'), { recursive: true })
  const later = { ...systemClock, now: () => Date.now() + 25 * 3600 * 1000 }
  await new DirectoryStore({ directory, cluster: 'test' }, later).removeLeftovers()
  t.deepEqual(await readdir(join(directory, '.spell/temporary')), [])
})

test('a store is away when its mark is not to be seen, and back with it', async (t) => {
  let now = 0
  const { store, directory } = await makeStore(t, () => now)
  await store.put('x', Buffer.from('x'))
  await rename(directory, `${directory}-away`)
  now += 2000
  await refused(t, store.put('y', Buffer.from('y')), 'UNAVAILABLE')
  await refused(t, store.head('x'), 'UNAVAILABLE')
  await mkdir(directory)
  await refused(t, store.put('y', Buffer.from('y')), 'UNAVAILABLE')
  await refused(t, read(store, 'x'), 'UNAVAILABLE')
  t.deepEqual(await readdir(directory), [])
  await rm(directory, { recursive: true })
  await rename(`${directory}-away`, directory)
  t.is((await read(store, 'x')).toString(), 'x')
})

test('its own failures are counted, not those of what was asked', async (t) => {
  const { directory } = await makeStore(t)
  let failures = 0
  const clock = { ...systemClock, monotonic: () => 0 }
  const store = new DirectoryStore({ directory, cluster: 'test' }, clock, () => {
    failures += 1
  })
  await store.put('x', Buffer.from('x'))
  await refused(t, read(store, 'y'), 'NOT_FOUND')
  await refused(t, store.put('x/y', Buffer.from('y')), 'ABORTED')
  await refused(t, store.put('z', Buffer.from('z'), { maxBytes: 0 }), 'RESOURCE_EXHAUSTED')
  t.is(failures, 0)
  await rename(directory, `${directory}-away`)
  await refused(t, read(store, 'x'), 'UNAVAILABLE')
  await refused(t, store.put('folder/y', Buffer.from('y')), 'UNAVAILABLE')
  t.is(failures, 2)
})

test('what looks absent within the second that the mark is trusted is looked at again', async (t) => {
  const { store, directory } = await makeStore(t, () => 0)
  await store.put('x', Buffer.from('x'))
  await rename(directory, `${directory}-away`)
  await refused(t, store.head('x'), 'UNAVAILABLE')
  await refused(t, store.put('folder/y', Buffer.from('y')), 'UNAVAILABLE')
})

test("another cluster's store and a folder of something else are refused", async (t) => {
  const { directory } = await makeStore(t)
  await refused(t, markDirectoryStore(directory, 'other'), 'FAILED_PRECONDITION')
  await markDirectoryStore(directory, 'test')
  const store = new DirectoryStore({ directory, cluster: 'other' }, systemClock)
  await refused(t, store.put('x', Buffer.from('x')), 'UNAVAILABLE')
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'thesis.tex'), '')
  await refused(t, markDirectoryStore(folder, 'test'), 'FAILED_PRECONDITION')
})

test('a link in the place of an object is not followed', async (t) => {
  const { store, directory } = await makeStore(t)
  const outside = join(await temporaryFolder(t), 'outside')
  await writeFile(outside, 'secret')
  await symlink(outside, join(directory, 'x'))
  t.is(await store.head('x'), undefined)
  await t.throwsAsync(read(store, 'x'))
  await t.throwsAsync(store.stage('x', Buffer.from('new')))
  t.is(await readFile(outside, 'utf8'), 'secret')
  await store.put('x', Buffer.from('new'))
  t.is(await readFile(outside, 'utf8'), 'secret')
})

test('a full disk is RESOURCE_EXHAUSTED with a sentence, and what was there stays', async (t) => {
  const disk = await smallDisk(t, 1024 * 1024)
  if (disk === undefined) return t.pass('no right to mount here')
  const directory = join(disk, 'store')
  await markDirectoryStore(directory, 'test')
  const store = new DirectoryStore({ directory, cluster: 'test' }, systemClock)
  await store.put('x', Buffer.alloc(300_000, 'x'))
  const error = await refused(t, store.put('x', pieces(Buffer.alloc(2_000_000, 'y'))), 'RESOURCE_EXHAUSTED')
  t.is(error?.message, `The store at ${directory} is full.`)
  t.deepEqual(await read(store, 'x'), Buffer.alloc(300_000, 'x'))
  await store.put('z', Buffer.alloc(300_000, 'z'))
})

const killed = test.macro<[string]>({
  async exec(t, line) {
    const { store, directory } = await makeStore(t)
    const script = new URL('../fixtures/putting-process.js', import.meta.url).pathname
    const child = spawn(process.execPath, [script, directory, '40'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => child.kill('SIGKILL'))
    for await (const printed of createInterface({ input: child.stdout })) if (printed === line) break
    child.kill('SIGKILL')
    await once(child, 'exit')
    const bytes = await read(store, 'folder/big')
    t.is(bytes.length, 4_000_000)
    t.true(bytes.every((byte) => byte === bytes[0]))
  },
  title: (_, line) => `killed at piece ${line} of a put, the object is the old or the new one, whole`,
})
for (const line of ['2 1', '2 20', '3 40', '4 2']) test(killed, line)

async function makeStore(t: ExecutionContext, monotonic: () => number = systemClock.monotonic) {
  const directory = join(await temporaryFolder(t), 'store')
  await markDirectoryStore(directory, 'test')
  return {
    store: new DirectoryStore({ directory, cluster: 'test' }, { ...systemClock, monotonic }),
    directory,
  }
}

async function read(store: DirectoryStore, name: string, range?: { offset: number; length?: number }) {
  const all: Buffer[] = []
  for await (const piece of store.read(name, range)) all.push(piece)
  return Buffer.concat(all)
}

async function* pieces(bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000)
}

async function refused(t: ExecutionContext, action: Promise<unknown>, code: StatusName) {
  const error = await t.throwsAsync(action, { instanceOf: RpcError })
  t.is(error?.code, code)
  return error
}
