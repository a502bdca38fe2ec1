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

test('a manifest read is the manifest written, in the order of paths', (t) => {
  fc.assert(
    fc.property(entries, (all) => {
      const sorted = [...all].sort((a, b) => comparePaths(a.path, b.path))
      t.deepEqual(decodeManifest(encodeManifest(all)), sorted)
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

test('a listing of one level has what begins with the path, directories summed up', (t) => {
  fc.assert(
    fc.property(entries, fc.integer(), (all, pick) => {
      const folders = ['', ...new Set(all.flatMap(({ path }) => foldersOf(path)))]
      const folder = folders[Math.abs(pick) % folders.length] ?? ''
      const listed = listManifest(decodeManifest(encodeManifest(all)), {
        path: folder,
        recursive: false,
        head: 'runs/1/',
      })
      const below = all.filter((one) => folder === '' || one.path.startsWith(`${folder}/`))
      const start = folder === '' ? '' : `${folder}/`
      const names = new Set(below.map(({ path }) => path.slice(start.length).replace(/\/.*/s, '/')))
      t.deepEqual(
        listed?.map((one) => one.path),
        [...names].map((name) => `runs/1/${start}${name}`).sort(comparePaths),
      )
      const bytes = below.reduce((sum, one) => sum + (one.kind === 'file' ? one.sizeBytes : 0), 0)
      t.is(
        listed?.reduce((sum, one) => sum + one.sizeBytes, 0),
        bytes,
      )
    }),
    { numRuns: 50 },
  )
})

test('a recursive listing has every file and no directory; a file lists itself; nothing is nothing', (t) => {
  const all = decodeManifest(encodeManifest([file('a/b/c'), file('a/d'), file('a.txt'), file('a0')]))
  const list = (path: string, recursive: boolean) =>
    listManifest(all, { path, recursive, head: '' })?.map((one) => one.path)
  t.deepEqual(list('', true), ['a.txt', 'a/b/c', 'a/d', 'a0'])
  t.deepEqual(list('a', true), ['a/b/c', 'a/d'])
  t.deepEqual(list('a', false), ['a/b/', 'a/d'])
  t.deepEqual(list('a/d', false), ['a/d'])
  t.is(list('b', false), undefined)
  t.deepEqual(listManifest([], { path: '', recursive: false, head: '' }), [])
})

const refuses = test.macro<[unknown]>({
  exec(t, value) {
    const bytes = Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
    t.is(t.throws(() => decodeManifest(bytes), { instanceOf: RpcError })?.code, 'INVALID_ARGUMENT')
  },
  title: (name) => `refuses ${name}`,
})
const good = file('x')
test('what is not JSON', refuses, '{')
test('another version', refuses, { v: 2, entries: [] })
test('a path that climbs out', refuses, { v: 1, entries: [{ ...good, path: '../x' }] })
test('an absolute path', refuses, { v: 1, entries: [{ ...good, path: '/x' }] })
test('a path with NUL', refuses, { v: 1, entries: [{ ...good, path: 'a\0b' }] })
test('a negative size', refuses, { v: 1, entries: [{ ...good, sizeBytes: -1 }] })
test('a setuid mode', refuses, { v: 1, entries: [{ ...good, mode: 0o4755 }] })
test('a hash that is none', refuses, { v: 1, entries: [{ ...good, sha256: 'x' }] })
test('an unknown kind', refuses, { v: 1, entries: [{ ...good, kind: 'device' }] })
test('one path twice', refuses, { v: 1, entries: [good, good] })
test('a wrong order', refuses, { v: 1, entries: [file('y'), file('x')] })
test('a file that is also a folder', refuses, { v: 1, entries: [file('a'), file('a.b'), file('a/b')] })

function file(path: string): ManifestEntry {
  return { path, kind: 'file', sizeBytes: 1, mode: 0o644, modifiedAtMs: 5, sha256: 'cd'.repeat(32) }
}

function foldersOf(path: string): string[] {
  const segments = path.split('/')
  return segments.slice(0, -1).map((_, index) => segments.slice(0, index + 1).join('/'))
}
