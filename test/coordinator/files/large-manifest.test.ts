import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { ResourceFiles } from '../../../coordinator/files/resource-files.js'
import { DirectoryStore } from '../../../spellfs/directory-store.js'
import { encodeManifest, type ManifestEntry, sha256Hex } from '../../../spellfs/manifest.js'
import type { ByteRange } from '../../../spellfs/object-store.js'
import { manifestName } from '../../../spellfs/paths.js'
import { markDirectoryStore } from '../../../spellfs/store-mark.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

test('a manifest too large for the cache is read once for a listing of many pages', async (t) => {
  const directory = join(await temporaryFolder(t), 'store')
  await markDirectoryStore(directory, 'test')
  const store = new CountingStore({ directory, cluster: 'test' }, systemClock)
  const manifest = encodeManifest(Array.from({ length: 10 }, (_, index) => emptyFile(`f${index}`)))
  await store.put(manifestName(7, 1), manifest)
  const outputs = { attempt: 1, manifestSha256: sha256Hex(manifest), finished: true, createdAtMs: 5 }
  const records = { outputsOf: async () => outputs, newestIds: async () => [7] }
  const resources = new ResourceFiles(store, records, { cacheBytes: 100 })
  const readPage = (pageToken: string) =>
    resources.list({ path: 'runs/7', recursive: true, pageSize: 4, pageToken })
  // Two who begin at the same time read it once, too.
  const [first] = await Promise.all([readPage(''), readPage('')])
  const second = await readPage(first.nextPageToken)
  const third = await readPage(second.nextPageToken)
  t.deepEqual(
    [first, second, third].map(({ entries }) =>
      entries.map(({ path }) => path.slice('runs/7/f'.length)).join(''),
    ),
    ['0123', '4567', '89'],
  )
  t.is(third.nextPageToken, '')
  t.is(store.reads, 1)
})

class CountingStore extends DirectoryStore {
  reads = 0

  override read(name: string, range?: ByteRange): AsyncIterable<Buffer> {
    this.reads += 1
    return super.read(name, range)
  }
}

function emptyFile(path: string): ManifestEntry {
  return {
    path,
    kind: 'file',
    sizeBytes: 0,
    mode: 0o644,
    modifiedAtMs: 1,
    sha256: sha256Hex(Buffer.alloc(0)),
  }
}
