import { mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import { RpcError, type StatusName } from '../../common/errors.js'
import { comparePaths, sha256Hex } from '../../spellfs/manifest.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import { smallDisk } from '../fixtures/small-disk.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

/** Two ways to one store that lies in a directory, as two coordinators have them. */
export interface OpenedStore {
  readonly store: ObjectStore
  readonly other: ObjectStore
  readonly directory: string
}

export interface OpenOptions {
  /** Made the store's; one of the test's own when left out. */
  readonly directory?: string
  /** Of the clock that the directory is looked at by. */
  readonly monotonic?: () => number
}

export type StoreCase = (
  t: ExecutionContext,
  open: (t: ExecutionContext, options?: OpenOptions) => Promise<OpenedStore>,
) => Promise<unknown>

const badNames = ['', '/etc/x', '../x', 'a/../../x', 'a/..', '.', 'a//b', 'a/', 'a\0b'] as const

/** What every store in a directory promises (spellfs/object-store.ts), whoever's directory it is; each is a test on each. */
export const objectStoreContract: Readonly<Record<string, StoreCase>> = {
  'what was put is read, whole and in ranges': async (t, open) => {
    const { store } = await open(t)
    const bytes = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index % 251))
    const stored = await store.put('a/b c/ü', pieces(bytes))
    t.deepEqual(stored, { sizeBytes: bytes.length, sha256: sha256Hex(bytes) })
    t.deepEqual(await read(store, 'a/b c/ü'), bytes)
    t.deepEqual(await read(store, 'a/b c/ü', { offset: 7, length: 300_001 }), bytes.subarray(7, 300_008))
    t.deepEqual(await read(store, 'a/b c/ü', { offset: 599_999 }), bytes.subarray(599_999))
    t.deepEqual(await read(store, 'a/b c/ü', { offset: 700_000 }), Buffer.alloc(0))
    t.is((await store.head('a/b c/ü'))?.sizeBytes, bytes.length)
  },

  'an object is replaced whole, and an empty one is one': async (t, open) => {
    const { store } = await open(t)
    await store.put('x', Buffer.from('old and long'))
    await store.put('x', Buffer.from('new'))
    t.is((await read(store, 'x')).toString(), 'new')
    await store.put('x', Buffer.alloc(0))
    t.is((await store.head('x'))?.sizeBytes, 0)
  },

  'what is not there is undefined, NOT_FOUND to read, and fine to delete': async (t, open) => {
    const { store } = await open(t)
    t.is(await store.head('a/b'), undefined)
    await refused(t, read(store, 'a/b'), 'NOT_FOUND')
    await store.delete('a/b')
    await store.deleteAll('a')
    await store.put('a/b', Buffer.from('x'))
    await store.delete('a/b')
    t.is(await store.head('a/b'), undefined)
    t.is(await store.head('a'), undefined)
  },

  'what is below .spell is for the owner alone, the rest is as the umask has it': async (t, open) => {
    const { store, directory } = await open(t)
    await store.put('.spell/archive/1.1.jsonl', Buffer.from('x'))
    await store.put('runs/1/x', Buffer.from('x'))
    const modeOf = async (name: string) => (await stat(join(directory, name))).mode & 0o777
    for (const folder of ['.spell', '.spell/archive', '.spell/temporary']) t.is(await modeOf(folder), 0o700)
    for (const file of ['.spell/mark', '.spell/archive/1.1.jsonl']) t.is(await modeOf(file), 0o600)
    t.is(await modeOf('runs/1'), 0o755 & ~process.umask())
    t.is(await modeOf('runs/1/x'), 0o644 & ~process.umask())
  },

  'bytes that hash to something else, or are too many, or break off, leave nothing behind': async (
    t,
    open,
  ) => {
    const { store, directory } = await open(t)
    await store.put('x', Buffer.from('old'))
    await refused(
      t,
      store.put('x', Buffer.from('new'), { sha256: sha256Hex(Buffer.from('other')) }),
      'DATA_LOSS',
    )
    await refused(
      t,
      store.put('x', pieces(Buffer.alloc(200_000)), { maxBytes: 100_000 }),
      'RESOURCE_EXHAUSTED',
    )
    const aborted = AbortSignal.abort(new Error('enough'))
    await t.throwsAsync(store.put('x', Buffer.from('new'), { signal: aborted }), { message: 'enough' })
    async function* broken() {
      yield Buffer.from('half')
      throw new Error('broke off')
    }
    await t.throwsAsync(store.put('x', broken()), { message: 'broke off' })
    t.is((await read(store, 'x')).toString(), 'old')
    await untilEmpty(join(directory, '.spell/temporary'))
  },

  'a list is ordered by name and can be had in pages': async (t, open) => {
    const { store } = await open(t)
    let round = 0
    const segment = fc.constantFrom('a', 'a.b', 'a-', 'b', 'B', 'ü', '0')
    const names = fc.uniqueArray(
      fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => `${segments.join('/')}/f`),
      { maxLength: 12 },
    )
    await fc.assert(
      fc.asyncProperty(names, fc.integer({ min: 1, max: 5 }), async (all, limit) => {
        round += 1
        const folder = `in${round}`
        for (const name of all) await store.put(`${folder}/${name}`, Buffer.from(name))
        await store.put(`${folder}-between`, Buffer.from('x'))
        const found: string[] = []
        for (let more = true; more; ) {
          const after = found.at(-1)
          const page = await store.list(folder, after === undefined ? { limit } : { limit, after })
          found.push(...page.objects.map((object) => object.name))
          more = page.more
        }
        t.deepEqual(found, all.map((name) => `${folder}/${name}`).sort(comparePaths))
      }),
      { numRuns: 15 },
    )
  },

  'staged objects are there after settling, few and many; deleteAll takes those below and no others': async (
    t,
    open,
  ) => {
    const { store } = await open(t)
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
  },

  'what was staged is not written over, and a deletion takes nothing that comes after its one step': async (
    t,
    open,
  ) => {
    const { store, other, directory } = await open(t)
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
  },

  'a store is away when its mark is not to be seen, and back with it': async (t, open) => {
    let now = 0
    const { store, directory } = await open(t, { monotonic: () => now })
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
  },

  'what looks absent within the second that the mark is trusted is looked at again': async (t, open) => {
    const { store, directory } = await open(t, { monotonic: () => 0 })
    await store.put('x', Buffer.from('x'))
    await rename(directory, `${directory}-away`)
    await refused(t, store.head('x'), 'UNAVAILABLE')
    await refused(t, store.put('folder/y', Buffer.from('y')), 'UNAVAILABLE')
  },

  'a link in the place of an object is not followed': async (t, open) => {
    const { store, directory } = await open(t)
    const outside = join(await temporaryFolder(t), 'outside')
    await writeFile(outside, 'secret')
    await symlink(outside, join(directory, 'x'))
    t.is(await store.head('x'), undefined)
    await t.throwsAsync(read(store, 'x'))
    await t.throwsAsync(store.stage('x', Buffer.from('new')))
    t.is(await readFile(outside, 'utf8'), 'secret')
    await store.put('x', Buffer.from('new'))
    t.is(await readFile(outside, 'utf8'), 'secret')
  },

  'a full disk is RESOURCE_EXHAUSTED with a sentence, and what was there stays': async (t, open) => {
    const disk = await smallDisk(t, 1024 * 1024)
    if (disk === undefined) return t.pass('no right to mount here')
    const { store, directory } = await open(t, { directory: join(disk, 'store') })
    await store.put('x', Buffer.alloc(300_000, 'x'))
    const error = await refused(t, store.put('x', pieces(Buffer.alloc(2_000_000, 'y'))), 'RESOURCE_EXHAUSTED')
    t.is(error?.message, `The store at ${directory} is full.`)
    t.deepEqual(await read(store, 'x'), Buffer.alloc(300_000, 'x'))
    await store.put('z', Buffer.alloc(300_000, 'z'))
  },

  'names that no store takes are refused before anything is touched': async (t, open) => {
    const { store, directory } = await open(t)
    for (const name of badNames) {
      await refused(t, store.put(name, Buffer.from('x')), 'INVALID_ARGUMENT')
      await refused(t, store.stage(name, Buffer.from('x')), 'INVALID_ARGUMENT')
      await refused(t, read(store, name), 'INVALID_ARGUMENT')
      await refused(t, store.head(name), 'INVALID_ARGUMENT')
      await refused(t, store.delete(name), 'INVALID_ARGUMENT')
      await refused(t, store.deleteAll(name), 'INVALID_ARGUMENT')
    }
    t.deepEqual(await readdir(directory), ['.spell'])
  },

  'a reader who leaves early, and one put of many pieces while others read, disturb nobody': async (
    t,
    open,
  ) => {
    const { store } = await open(t)
    const bytes = Buffer.alloc(3_000_000, 'a')
    await store.put('x', bytes)
    for await (const piece of store.read('x')) {
      t.true(piece.length > 0)
      break
    }
    const next = Buffer.alloc(3_000_000, 'b')
    const putting = store.put('x', pieces(next))
    const seen = await Promise.all(Array.from({ length: 5 }, () => read(store, 'x')))
    await putting
    for (const whole of seen) t.true(whole.equals(bytes) || whole.equals(next))
    t.deepEqual(await read(store, 'x'), next)
  },

  'a put that its caller gives up leaves what was there, and nothing more of its source is asked for': async (
    t,
    open,
  ) => {
    const { store, directory } = await open(t)
    await store.put('x', Buffer.from('old'))
    const giveUp = new AbortController()
    let [begun, ended] = [0, false]
    async function* endless() {
      try {
        for (;;) {
          begun += 1
          if (begun === 20) giveUp.abort(new Error('given up'))
          await setImmediate()
          yield Buffer.alloc(70_000)
        }
      } finally {
        ended = true
      }
    }
    await t.throwsAsync(store.put('x', endless(), { signal: giveUp.signal }), { message: 'given up' })
    t.true(ended)
    t.is((await read(store, 'x')).toString(), 'old')
    await untilEmpty(join(directory, '.spell/temporary'))
  },

  'an object that the other has put is seen at once': async (t, open) => {
    const { store, other } = await open(t)
    await store.put('x', Buffer.from('one'))
    await other.put('x', Buffer.from('two'))
    t.is((await read(store, 'x')).toString(), 'two')
    await other.delete('x')
    t.is(await store.head('x'), undefined)
  },
}

export async function read(store: ObjectStore, name: string, range?: { offset: number; length?: number }) {
  const all: Buffer[] = []
  for await (const piece of store.read(name, range)) all.push(piece)
  return Buffer.concat(all)
}

export async function* pieces(bytes: Buffer): AsyncIterable<Buffer> {
  for (let at = 0; at < bytes.length; at += 70_000) yield bytes.subarray(at, at + 70_000)
}

export async function refused(t: ExecutionContext, action: Promise<unknown>, code: StatusName) {
  const error = await t.throwsAsync(action, { instanceOf: RpcError })
  t.is(error?.code, code)
  return error
}

/** Who breaks off has left nothing once the other side has heard of it. */
async function untilEmpty(folder: string): Promise<void> {
  while ((await readdir(folder)).length > 0) await setImmediate()
}
