import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import type { PackedCode } from '../../../cli/code/pack-code.js'
import { CodeCache } from '../../../node-agent/code/code-cache.js'
import { fetchOf, packed } from '../../fixtures/packed.js'
import { cacheFor, gib, never } from '../../fixtures/placed.js'
import { makeRepository } from '../../fixtures/repository.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

test('a pack is fetched once, also by many at a time and after a restart; the oldest unused goes first', async (t) => {
  const folder = join(await temporaryFolder(t), 'code')
  const cache = new CodeCache({ folder, maxBytes: gib, maxCount: 2 })
  const homes = await Promise.all(['one', 'two', 'three'].map((name) => makeRepository(t, name)))
  let fetches = 0
  const packs: PackedCode[] = []
  for (const home of homes) {
    await home.sh('basename "$PWD" > a; git add -A; git commit -qm first')
    packs.push(await packed(t, home))
  }
  const open = (index: number, from = cache) => {
    const pack = packs[index]
    if (!pack) throw new Error('no such pack')
    const fetch = () => {
      fetches += 1
      return fetchOf(pack)()
    }
    return from.open(pack.code, fetch, never())
  }
  const leases = await Promise.all([open(0), open(0), open(0)])
  t.is(fetches, 1)
  ;(await open(1)).release()
  ;(await open(2)).release()
  t.is((await readdir(folder)).length, 2, 'the first is in use, so the second had to go')
  for (const lease of leases) lease.release()
  await mkdir(join(folder, 'new-cut'))
  const restarted = new CodeCache({ folder, maxBytes: gib, maxCount: 2 })
  ;(await open(0, restarted)).release()
  ;(await open(2, restarted)).release()
  t.is(fetches, 3)
  ;(await open(1, restarted)).release()
  t.is(fetches, 4)
  t.deepEqual((await readdir(folder)).sort(), [packs[1]?.code.packSha256, packs[2]?.code.packSha256].sort())
  const small = new CodeCache({ folder, maxBytes: 1, maxCount: 10 })
  ;(await open(0, small)).release()
  ;(await open(0, small)).release()
  t.is((await readdir(folder)).length, 1)
})

test('a fetch that is cancelled does not take along another that waits for it', async (t) => {
  const home = await makeRepository(t)
  await home.sh('echo a > a; git add -A; git commit -qm first')
  const pack = await packed(t, home)
  const cache = await cacheFor(t)
  const cancelled = new AbortController()
  const slow = async function* (_: string, signal: AbortSignal) {
    yield Buffer.alloc(0)
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const first = cache.open(pack.code, slow, cancelled.signal)
  const second = cache.open(pack.code, fetchOf(pack), never())
  cancelled.abort(new Error('cancelled'))
  await t.throwsAsync(first, { message: 'cancelled' })
  ;(await second).release()
})

test('what a killed agent had removed by half is fetched again', async (t) => {
  const folder = join(await temporaryFolder(t), 'code')
  const home = await makeRepository(t)
  await home.sh('echo a > a; git add -A; git commit -qm first')
  const pack = await packed(t, home)
  await mkdir(join(folder, pack.code.packSha256, 'objects'), { recursive: true })
  const cache = new CodeCache({ folder, maxBytes: gib, maxCount: 2 })
  const lease = await cache.open(pack.code, fetchOf(pack), never())
  t.is((await lease.pristine.packFiles()).length, 2)
  lease.release()
})

test('a look at the folder that failed is repeated by the next who asks', async (t) => {
  const folder = join(await temporaryFolder(t), 'code')
  const home = await makeRepository(t)
  await home.sh('echo a > a; git add -A; git commit -qm first')
  const pack = await packed(t, home)
  await writeFile(folder, 'in the way')
  const cache = new CodeCache({ folder, maxBytes: gib, maxCount: 2 })
  await t.throwsAsync(cache.open(pack.code, fetchOf(pack), never()), { code: 'EEXIST' })
  await rm(folder)
  ;(await cache.open(pack.code, fetchOf(pack), never())).release()
  t.deepEqual(await readdir(folder), [pack.code.packSha256])
})
