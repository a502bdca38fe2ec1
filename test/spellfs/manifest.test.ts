import test from 'ava'
import fc from 'fast-check'
import { RpcError } from '../../common/errors.js'
import { listManifest } from '../../spellfs/listing.js'
import { comparePaths, decodeManifest, encodeManifest, type ManifestEntry } from '../../spellfs/manifest.js'

const segment = fc.oneof(
  fc.constantFrom('a', 'b', 'a.txt', 'a-', 'a0', 'data', 'ü', '😀', ' ', '\n', '"', '.git'),
  fc
    .string({ unit: 'binary', minLength: 1, maxLength: 5 })
    .filter((text) => !/[/\0]/.test(text) && !/^\.\.?$/.test(text)),
)
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => segments.join('/'))
const entry = fc
  .record({ path, size: fc.nat(), link: fc.boolean(), modifiedAtMs: fc.nat() })
  .map(
    ({ path, size, link, modifiedAtMs }): ManifestEntry =>
      link
        ? { path, kind: 'link', target: `../${path}`, modifiedAtMs }
        : { path, kind: 'file', sizeBytes: size, mode: size % 0o1000, modifiedAtMs, sha256: 'ab'.repeat(32) },
  )
/** Entries as a file system could hold them: no name twice, nothing both a file and a folder. */
const entries = fc.array(entry, { maxLength: 25 }).map((all) => {
  const kept: ManifestEntry[] = []
  for (const one of all) {
    const clash = kept.some(
      ({ path }) => path === one.path || path.startsWith(`${one.path}/`) || one.path.startsWith(`${path}/`),
    )
    if (!clash) kept.push(one)
  }
  return kept
})

test('a manifest read is the manifest written, in the order of paths', async (t) => {
  await fc.assert(
    fc.asyncProperty(entries, async (all) => {
      const sorted = [...all].sort((a, b) => comparePaths(a.path, b.path))
      t.deepEqual(await decodeManifest(encodeManifest(all)), sorted)
    }),
    { numRuns: 50 },
  )
})

test('the same outputs give the same bytes in whatever order they were found', (t) => {
  fc.assert(
    fc.property(entries, (all) => t.deepEqual(encodeManifest(all), encodeManifest([...all].reverse()))),
    { numRuns: 50 },
  )
})

test('a listing of one level has what begins with the path, directories summed up, and goes on behind any of it', async (t) => {
  await fc.assert(
    fc.asyncProperty(entries, fc.integer(), async (all, pick) => {
      const folders = ['', ...new Set(all.flatMap(({ path }) => foldersOf(path)))]
      const folder = folders[Math.abs(pick) % folders.length] ?? ''
      const manifest = await decodeManifest(encodeManifest(all))
      const listBehind = (after: string | undefined) => [
        ...(listManifest(manifest, { path: folder, recursive: false, head: 'runs/1/', after }) ?? []),
      ]
      const listed = listBehind(undefined)
      const below = all.filter((one) => folder === '' || one.path.startsWith(`${folder}/`))
      const start = folder === '' ? '' : `${folder}/`
      const names = new Set(below.map(({ path }) => path.slice(start.length).replace(/\/.*/s, '/')))
      t.deepEqual(
        listed.map((one) => one.path),
        [...names].map((name) => `runs/1/${start}${name}`).sort(comparePaths),
      )
      const bytes = below.reduce((sum, one) => sum + (one.kind === 'file' ? one.sizeBytes : 0), 0)
      t.is(
        listed.reduce((sum, one) => sum + one.sizeBytes, 0),
        bytes,
      )
      for (const [index, one] of listed.entries()) t.deepEqual(listBehind(one.path), listed.slice(index + 1))
    }),
    { numRuns: 50 },
  )
})

test('a recursive listing has every file and no directory; a file lists itself; nothing is nothing', async (t) => {
  const all = await decodeManifest(encodeManifest([file('a/b/c'), file('a/d'), file('a.txt'), file('a0')]))
  const list = (path: string, recursive: boolean, after?: string) => {
    const listed = listManifest(all, { path, recursive, head: '', after })
    return listed && [...listed].map((one) => one.path)
  }
  t.deepEqual(list('', true), ['a.txt', 'a/b/c', 'a/d', 'a0'])
  t.deepEqual(list('', true, 'a.txt'), ['a/b/c', 'a/d', 'a0'])
  t.deepEqual(list('', true, 'a/c'), ['a/d', 'a0'])
  t.deepEqual(list('', true, 'b'), [])
  t.deepEqual(list('a', true), ['a/b/c', 'a/d'])
  t.deepEqual(list('a', false), ['a/b/', 'a/d'])
  t.deepEqual(list('a/d', false), ['a/d'])
  t.deepEqual(list('a/d', false, 'a/d'), [])
  t.is(list('b', false), undefined)
  t.deepEqual([...(listManifest([], { path: '', recursive: false, head: '', after: undefined }) ?? [])], [])
})

test('others get their turns while a large manifest is read', async (t) => {
  const manifest = encodeManifest(Array.from({ length: 10_000 }, (_, index) => file(`f${index}`)))
  let turns = 0
  let counting = true
  const count = () => {
    turns += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  await decodeManifest(manifest)
  counting = false
  t.true(turns >= 9, `${turns} turns`)
})

const refuses = test.macro<[string | readonly object[], RegExp]>({
  async exec(t, value, why) {
    const lines = typeof value === 'string' ? value : value.map((one) => JSON.stringify(one)).join(',\n')
    const bytes = Buffer.from(`{"v":1,"entries":[\n${lines}\n]}\n`)
    const error = await t.throwsAsync(decodeManifest(bytes), { instanceOf: RpcError, message: why })
    t.is(error?.code, 'INVALID_ARGUMENT')
  },
  title: (name) => `refuses ${name}`,
})
const good = file('x')
test('what is not JSON', refuses, '{', /not JSON/)
test('a path that climbs out', refuses, [{ ...good, path: '../x' }], /the path/)
test('an absolute path', refuses, [{ ...good, path: '/x' }], /the path/)
test('a path with NUL', refuses, [{ ...good, path: 'a\0b' }], /the path/)
test('a negative size', refuses, [{ ...good, sizeBytes: -1 }], /the entry/)
test('a setuid mode', refuses, [{ ...good, mode: 0o4755 }], /the entry/)
test('a hash that is none', refuses, [{ ...good, sha256: 'x' }], /the hash/)
test('an unknown kind', refuses, [{ ...good, kind: 'device' }], /the entry/)
test('one path twice', refuses, [good, good], /not ordered/)
test('a wrong order', refuses, [file('y'), file('x')], /not ordered/)
test('a file that is also a folder', refuses, [file('a'), file('a.b'), file('a/b')], /a file and a folder/)

test('what is framed otherwise, or cut, is refused', async (t) => {
  const whole = encodeManifest([file('x')])
  const other = whole.toString().replace('"v":1', '"v":2')
  for (const bytes of [Buffer.from(other), whole.subarray(0, -1), whole.subarray(1), Buffer.alloc(0)]) {
    const error = await t.throwsAsync(decodeManifest(bytes), { instanceOf: RpcError, message: /its form/ })
    t.is(error?.code, 'INVALID_ARGUMENT')
  }
})

function file(path: string): ManifestEntry {
  return { path, kind: 'file', sizeBytes: 1, mode: 0o644, modifiedAtMs: 5, sha256: 'cd'.repeat(32) }
}

function foldersOf(path: string): string[] {
  const segments = path.split('/')
  return segments.slice(0, -1).map((_, index) => segments.slice(0, index + 1).join('/'))
}
