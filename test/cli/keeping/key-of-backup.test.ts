import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { Failure } from '../../../cli/failure.js'
import { refuseOtherKey } from '../../../cli/keeping/key-of-backup.js'
import { clusterKeyText, newClusterKey, seal } from '../../../common/sealing.js'
import { checkClusterKey } from '../../../coordinator/leader/key-check.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const key = newClusterKey()
const other = newClusterKey()

/** As etcd has a record in its pages: protobuf, with the fields' numbers and lengths between. */
function kept(of: Buffer): Buffer {
  const put = checkClusterKey(of, undefined, makeKeys('spell/'))
  if (!put) throw new Error('nothing was to be kept')
  const numbers = Buffer.from([0x10, 5, 0x18, 5, 0x20, 1, 0x2a, put.value.length])
  return Buffer.concat([
    Buffer.from([10, put.key.length]),
    Buffer.from(put.key),
    numbers,
    Buffer.from(put.value),
  ])
}

async function files(t: ExecutionContext, parts: readonly (Buffer | string)[]) {
  const dir = await temporaryFolder(t)
  const paths = { backup: join(dir, 'backup'), key: join(dir, 'cluster.key') }
  writeFileSync(paths.backup, Buffer.concat(parts.map((part) => Buffer.from(part))))
  writeFileSync(paths.key, clusterKeyText(key))
  return paths
}

// The record lies over the border of two pieces that the file is read in.
const before = Buffer.alloc(65_536 - 30)

test('a backup whose secrets this key opens is taken', async (t) => {
  const { backup, key: keyFile } = await files(t, [before, kept(key), Buffer.alloc(9000)])
  await t.notThrowsAsync(refuseOtherKey(backup, keyFile))
})

test('a backup of another cluster is refused by name', async (t) => {
  const { backup, key: keyFile } = await files(t, [before, kept(other), Buffer.alloc(9000)])
  const error = await t.throwsAsync(refuseOtherKey(backup, keyFile), { instanceOf: Failure })
  t.regex(error?.message ?? '', /is a backup of another cluster: its secrets are sealed with another key/)
})

test('what a user wrote is not taken for it, and without a key to compare nothing is refused', async (t) => {
  const sealed = seal(other, 'key check', 'right')
  const forged = JSON.stringify({ command: `key-check {"v":1,"sealed":"${sealed}"}` })
  const { backup, key: keyFile } = await files(t, [forged, before])
  await t.notThrowsAsync(refuseOtherKey(backup, keyFile))
  const elsewhere = await files(t, [kept(other)])
  await t.notThrowsAsync(refuseOtherKey(elsewhere.backup, join(backup, 'nowhere')))
})
