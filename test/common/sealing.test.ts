import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import {
  clusterKeyText,
  isSealed,
  keyedHash,
  newClusterKey,
  readClusterKey,
  seal,
  unseal,
} from '../../common/sealing.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

const key = newClusterKey()

test('what was sealed is opened with the same key for the same purpose', (t) => {
  for (const text of ['', 'secret', 'Grüße\0\n😀', 'x'.repeat(100_000)]) {
    const sealed = seal(key, 'env 1 A', text)
    t.true(isSealed(sealed))
    t.is(unseal(key, 'env 1 A', sealed), text)
  }
  t.false(isSealed('secret'))
})

test('the same text is never sealed to the same', (t) => {
  t.not(seal(key, 'a', 'secret'), seal(key, 'a', 'secret'))
})

test('another key, another purpose, a changed or a cut-off text are refused', (t) => {
  const sealed = seal(key, 'env 1 A', 'secret')
  const refused = { code: 'FAILED_PRECONDITION', message: /sealed with another cluster key/ }
  t.throws(() => unseal(newClusterKey(), 'env 1 A', sealed), refused)
  t.throws(() => unseal(key, 'env 2 A', sealed), refused)
  t.throws(() => unseal(key, 'env 1 A', sealed.slice(0, -8)), refused)
  t.throws(() => unseal(key, 'env 1 A', 'sealed:1:'), refused)
  t.throws(() => unseal(key, 'env 1 A', sealed.replace(/.{8}$/, 'AAAAAAA=')), refused)
})

test('a key is read from its file; anything else is refused with the name of the file', async (t) => {
  const file = join(await temporaryFolder(t), 'cluster.key')
  t.throws(() => readClusterKey(file), { code: 'FAILED_PRECONDITION', message: /could not be read/ })
  await writeFile(file, clusterKeyText(key))
  t.deepEqual(readClusterKey(file), key)
  await writeFile(file, 'short\n')
  t.throws(() => readClusterKey(file), { message: /cluster\.key holds no cluster key/ })
})

test('a keyed hash is the same for the same key, purpose and text', (t) => {
  const hash = keyedHash(key, 'request', 'text')
  t.regex(hash, /^[0-9a-f]{64}$/)
  t.is(keyedHash(key, 'request', 'text'), hash)
  for (const other of [
    keyedHash(newClusterKey(), 'request', 'text'),
    keyedHash(key, 'other', 'text'),
    keyedHash(key, 'request', 'texts'),
  ])
    t.not(other, hash)
})
