import { mkdir, readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { makeFolderBelow } from '../../spellfs/make-folder.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

test('what is missing below the base is made, and the topmost of it is named', async (t) => {
  const base = await temporaryFolder(t)
  t.is(await makeFolderBelow(base, join(base, 'a/b/c'), 0o700), join(base, 'a'))
  t.is((await stat(join(base, 'a/b/c'))).mode & 0o777, 0o700)
  t.is(await makeFolderBelow(base, join(base, 'a/b/d'), 0o700), join(base, 'a/b/d'))
  t.is(await makeFolderBelow(base, join(base, 'a/b/d'), 0o700), undefined)
  t.is(await makeFolderBelow(base, base, 0o700), undefined)
})

test('a base that is not there is not made', async (t) => {
  const folder = await temporaryFolder(t)
  const base = join(folder, 'store')
  await mkdir(base)
  await rename(base, `${base}-away`)
  await t.throwsAsync(makeFolderBelow(base, join(base, 'a/b'), 0o700), { code: 'ENOENT' })
  await makeFolderBelow(base, base, 0o700)
  t.deepEqual(await readdir(folder), ['store-away'])
})
