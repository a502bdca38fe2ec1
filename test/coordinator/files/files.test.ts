import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { RpcError, type StatusName } from '../../../common/errors.js'
import { CodeObjects } from '../../../coordinator/files/code-objects.js'
import { ResourceFiles } from '../../../coordinator/files/resource-files.js'
import type { RunOutputs } from '../../../coordinator/files/run-records.js'
import { storeOutputs } from '../../../coordinator/files/store-outputs.js'
import { maxMessageBytes } from '../../../proto/channel.js'
import { fileEntryToWire } from '../../../proto/convert/files.js'
import type { OutputPart } from '../../../proto/model/files.js'
import { codec } from '../../../proto/wire.js'
import { DirectoryStore } from '../../../spellfs/directory-store.js'
import { encodeManifest, type ManifestEntry, sha256Hex } from '../../../spellfs/manifest.js'
import { markDirectoryStore } from '../../../spellfs/store-mark.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const never = new AbortController().signal
const nothing = Buffer.alloc(0)
const id = { runId: 7, attempt: 1 }
const files = { 'a.txt': 'one', 'model/weights.bin': 'x'.repeat(700_000), 'model/empty': '', 'ü/ \n': 'odd' }

test('outputs are seen once the record names their manifest, and not before', async (t) => {
  const { store, resources, records } = await makeFiles(t)
  const stored = await storeOutputs(store, id, partsOf(files), never)
  t.is(stored.files, 4)
  t.is(stored.totalBytes, 700_006)
  t.deepEqual((await list(resources, 'runs/7')).names, [])
  records.set(7, { ...unfinished, manifestSha256: stored.manifestSha256 })
  t.deepEqual((await list(resources, 'runs/7')).names, ['runs/7/a.txt', 'runs/7/model/', 'runs/7/ü/'])
  t.deepEqual((await list(resources, 'runs/7/model/')).names, [
    'runs/7/model/empty',
    'runs/7/model/weights.bin',
  ])
  t.deepEqual((await list(resources, 'runs/7/a.txt')).names, ['runs/7/a.txt'])
  t.deepEqual(await read(resources, 'runs/7/a.txt', 0), { 'runs/7/a.txt': 'one' })
  t.deepEqual(await read(resources, 'runs/7/a.txt', 2), { 'runs/7/a.txt': 'e' })
  t.deepEqual(await read(resources, 'runs/7/a.txt', 9), { 'runs/7/a.txt': '' })
  const all = await read(resources, 'runs/7', 0)
  t.deepEqual(all, Object.fromEntries(Object.entries(files).map(([name, text]) => [`runs/7/${name}`, text])))
})

test('a later attempt lies beside the first and is what users see', async (t) => {
  const { store, directory, resources, records } = await makeFiles(t)
  await storeOutputs(store, id, partsOf({ a: 'first' }), never)
  const stored = await storeOutputs(store, { runId: 7, attempt: 2 }, partsOf({ a: 'second' }), never)
  records.set(7, { ...unfinished, attempt: 2, manifestSha256: stored.manifestSha256 })
  t.deepEqual(await read(resources, 'runs/7/a', 0), { 'runs/7/a': 'second' })
  t.is(await readFile(join(directory, 'runs/7.2/a'), 'utf8'), 'second')
  t.is(await readFile(join(directory, 'runs/7/a'), 'utf8'), 'first')
})

test('what an earlier try left is gone after a whole one, also where a file became a folder', async (t) => {
  const { store } = await makeFiles(t)
  const cut = (async function* () {
    for (const part of await collect(partsOf({ a: 'x', b: 'x' }))) {
      if (part.manifest.length > 0) throw new Error('cut')
      yield part
    }
  })()
  await t.throwsAsync(storeOutputs(store, id, cut, never), { message: 'cut' })
  await storeOutputs(store, id, partsOf({ 'a/b': 'y' }), never)
  const { objects } = await store.list('runs', { limit: 10 })
  t.deepEqual(
    objects.map((object) => object.name),
    ['runs/7/a/b'],
  )
})

test('links live in the manifest and nowhere else', async (t) => {
  const { store, resources, records } = await makeFiles(t)
  const link: ManifestEntry = { path: 'latest', kind: 'link', target: '/etc/passwd', modifiedAtMs: 3 }
  const stored = await storeOutputs(store, id, partsOf({ a: 'x' }, [link]), never)
  records.set(7, { ...unfinished, manifestSha256: stored.manifestSha256 })
  const { entries } = await resources.list({
    path: 'runs/7/latest',
    recursive: false,
    pageSize: 0,
    pageToken: '',
  })
  t.is(entries[0]?.linkTarget, '/etc/passwd')
  t.is(await store.head('runs/7/latest'), undefined)
  t.deepEqual(await read(resources, 'runs/7/latest', 0), { 'runs/7/latest': '' })
})

const refusesParts = test.macro<[() => readonly OutputPart[], StatusName]>({
  async exec(t, parts, code) {
    const { store } = await makeFiles(t)
    const sent = (async function* () {
      yield* parts()
    })()
    await refused(t, storeOutputs(store, id, sent, never), code)
    t.is(await store.head('.spell/manifests/7.1.json'), undefined)
  },
  title: (name) => `refuses ${name}`,
})
const header = (path: string, sizeBytes = 1) => ({
  file: { path, mode: 0o644, modifiedAtMs: 1, sizeBytes },
  data: nothing,
  manifest: nothing,
})
const data = (text: string) => ({ file: undefined, data: Buffer.from(text), manifest: nothing })
const manifest = (...entries: ManifestEntry[]) => ({
  file: undefined,
  data: nothing,
  manifest: encodeManifest(entries),
})
test(
  'a path that climbs out',
  refusesParts,
  () => [header('../8/a'), data('x'), manifest()],
  'INVALID_ARGUMENT',
)
test('a file twice', refusesParts, () => [header('a'), header('a'), manifest()], 'INVALID_ARGUMENT')
test('data without a file', refusesParts, () => [data('x'), manifest()], 'INVALID_ARGUMENT')
test('an end without a manifest', refusesParts, () => [header('a'), data('x')], 'INVALID_ARGUMENT')
test('a file behind the manifest', refusesParts, () => [manifest(), header('a')], 'INVALID_ARGUMENT')
test(
  'a file that the manifest has and nobody sent',
  refusesParts,
  () => [manifest(entryOf('a', 'x'))],
  'INVALID_ARGUMENT',
)
test(
  'a file that the manifest lacks',
  refusesParts,
  () => [header('a'), data('x'), manifest()],
  'INVALID_ARGUMENT',
)
test(
  'other bytes than in the manifest',
  refusesParts,
  () => [header('a'), data('y'), manifest(entryOf('a', 'x'))],
  'DATA_LOSS',
)
test(
  'a manifest in pieces that is cut',
  refusesParts,
  () => [{ ...manifest(), manifest: manifest().manifest.subarray(0, 9) }],
  'INVALID_ARGUMENT',
)

test('10,000 files in one upload arrive, and a listing comes in pages', async (t) => {
  const { store, resources, records } = await makeFiles(t)
  const many = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [`d${index % 10}/f${index}`, `${index}`]),
  )
  const stored = await storeOutputs(store, id, partsOf(many), never)
  records.set(7, { ...unfinished, manifestSha256: stored.manifestSha256 })
  const names: string[] = []
  let pageToken = ''
  do {
    const page = await resources.list({ path: 'runs/7', recursive: true, pageSize: 3000, pageToken })
    names.push(...page.entries.map((entry) => entry.path))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  t.deepEqual(
    names,
    Object.keys(many)
      .map((name) => `runs/7/${name}`)
      .sort(),
  )
})

test('a page of long paths ends before a message is full, and nothing is left out', async (t) => {
  const { store, resources, records } = await makeFiles(t)
  const folder = Array.from({ length: 11 }, () => 'x'.repeat(250)).join('/')
  const many = Object.fromEntries(Array.from({ length: 2_000 }, (_, index) => [`${folder}/${index}`, '']))
  const stored = await storeOutputs(store, id, partsOf(many), never)
  records.set(7, { ...unfinished, manifestSha256: stored.manifestSha256 })
  let count = 0
  for (let pageToken: string | undefined; pageToken !== ''; ) {
    const request = { path: 'runs/7', recursive: true, pageSize: 10_000, pageToken: pageToken ?? '' }
    const page = await resources.list(request)
    const wire = { ...page, entries: page.entries.map(fileEntryToWire) }
    t.true(codec('ListFilesResponse').encode(wire).length < maxMessageBytes)
    count += page.entries.length
    pageToken = page.nextPageToken
  }
  t.is(count, 2_000)
})

test('a file changed in the store is DATA_LOSS to its reader, a changed manifest too', async (t) => {
  const { store, directory, resources, records } = await makeFiles(t)
  const stored = await storeOutputs(store, id, partsOf({ a: 'good' }), never)
  records.set(7, { ...unfinished, manifestSha256: stored.manifestSha256 })
  await writeFile(join(directory, 'runs/7/a'), 'evil')
  await refused(t, read(resources, 'runs/7/a', 0), 'DATA_LOSS')
  await writeFile(join(directory, '.spell/manifests/7.1.json'), encodeManifest([entryOf('a', 'evil')]))
  const again = new ResourceFiles(store, recordsOf(records))
  await refused(t, list(again, 'runs/7'), 'DATA_LOSS')
})

test('heads, runs newest first in pages, and what is not there', async (t) => {
  const { resources, records } = await makeFiles(t)
  for (const runId of [1, 2, 3]) records.set(runId, { ...unfinished, finished: runId < 3 })
  t.deepEqual((await list(resources, '')).names, ['public/', 'runs/', 'uploads/'])
  const first = await resources.list({ path: 'runs', recursive: false, pageSize: 2, pageToken: '' })
  t.deepEqual(
    first.entries.map((entry) => entry.path),
    ['runs/7/', 'runs/3/'],
  )
  t.deepEqual(
    first.entries.map((entry) => entry.runUnfinished),
    [true, true],
  )
  const { nextPageToken } = first
  const second = await resources.list({
    path: 'runs',
    recursive: false,
    pageSize: 2,
    pageToken: nextPageToken,
  })
  t.deepEqual(
    second.entries.map((entry) => entry.path),
    ['runs/2/', 'runs/1/'],
  )
  await refused(t, list(resources, 'runs/9'), 'NOT_FOUND')
  await refused(t, list(resources, 'runs/7/nothing'), 'NOT_FOUND')
  await refused(t, list(resources, 'uploads/nothing'), 'NOT_FOUND')
  await refused(t, read(resources, 'runs/7/nothing', 0), 'NOT_FOUND')
  t.deepEqual((await list(resources, 'uploads')).names, [])
})

test('code is kept under its hash, and other bytes are not', async (t) => {
  const { store } = await makeFiles(t)
  const objects = new CodeObjects(store, { maxObjectBytes: 1000 })
  const bytes = Buffer.from('pack')
  const name = `code/${sha256Hex(bytes)}`
  t.false(await objects.has(name))
  await refused(t, objects.put(name, Buffer.from('other'), never), 'DATA_LOSS')
  await refused(t, objects.put(name, Buffer.alloc(1001), never), 'RESOURCE_EXHAUSTED')
  t.false(await objects.has(name))
  await objects.put(name, bytes, never)
  await objects.put(name, bytes, never)
  t.true(await objects.has(name))
  t.deepEqual(Buffer.concat(await collect(objects.read(name))), bytes)
  await t.throwsAsync(objects.has('code/../mark'), { instanceOf: RpcError })
})

const unfinished: RunOutputs = { attempt: 1, manifestSha256: undefined, finished: false, createdAtMs: 5 }

async function makeFiles(t: ExecutionContext) {
  const directory = join(await temporaryFolder(t), 'store')
  await markDirectoryStore(directory, 'test')
  const store = new DirectoryStore({ directory, cluster: 'test' }, systemClock)
  const records = new Map<number, RunOutputs>([[7, unfinished]])
  return { store, directory, records, resources: new ResourceFiles(store, recordsOf(records)) }
}

function recordsOf(records: ReadonlyMap<number, RunOutputs>) {
  return {
    async outputsOf(runId: number) {
      const found = records.get(runId)
      if (!found) throw new RpcError('NOT_FOUND', `no run ${runId}; the newest is 7`)
      return found
    },
    async newestIds(before: number | undefined, limit: number) {
      const ids = [...records.keys()].sort((a, b) => b - a)
      return ids.filter((runId) => before === undefined || runId < before).slice(0, limit)
    },
  }
}

function entryOf(path: string, text: string): ManifestEntry {
  const bytes = Buffer.from(text)
  return {
    path,
    kind: 'file',
    sizeBytes: bytes.length,
    mode: 0o644,
    modifiedAtMs: 1,
    sha256: sha256Hex(bytes),
  }
}

async function* partsOf(
  texts: Readonly<Record<string, string>>,
  links: readonly ManifestEntry[] = [],
): AsyncGenerator<OutputPart> {
  for (const [path, text] of Object.entries(texts)) {
    const bytes = Buffer.from(text)
    yield { ...header(path, bytes.length), data: bytes.subarray(0, 100_000) }
    for (let at = 100_000; at < bytes.length; at += 100_000)
      yield { file: undefined, data: bytes.subarray(at, at + 100_000), manifest: nothing }
  }
  const { manifest: bytes } = manifest(
    ...Object.entries(texts).map(([path, text]) => entryOf(path, text)),
    ...links,
  )
  for (let at = 0; at < bytes.length; at += 50_000)
    yield { file: undefined, data: nothing, manifest: bytes.subarray(at, at + 50_000) }
}

async function list(resources: ResourceFiles, path: string) {
  const { entries } = await resources.list({ path, recursive: false, pageSize: 0, pageToken: '' })
  return { names: entries.map((entry) => entry.path) }
}

async function read(resources: ResourceFiles, path: string, offset: number): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  let name = ''
  for await (const part of resources.read({ path, recursive: offset === 0, offset }, never)) {
    name = part.entry?.path ?? name
    found[name] = (found[name] ?? '') + Buffer.from(part.data).toString()
  }
  return found
}

async function refused(t: ExecutionContext, action: Promise<unknown>, code: StatusName) {
  t.is((await t.throwsAsync(action, { instanceOf: RpcError }))?.code, code)
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
