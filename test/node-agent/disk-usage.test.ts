import { link, mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { type Clock, systemClock } from '../../common/clock.js'
import { usedBytes, watchDisk } from '../../node-agent/disk-usage.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

const mib = 1 << 20
const never = () => false

test('a file counts once, however many names it has, and one in a folder whose name is no text counts too', async (t) => {
  const folder = await temporaryFolder(t)
  const before = await usedBytes(folder, never)
  await writeFile(join(folder, 'f'), Buffer.alloc(2 * mib, 'x'))
  await link(join(folder, 'f'), join(folder, 'g'))
  await symlink('/usr', join(folder, 'outside'))
  const raw = Buffer.concat([Buffer.from(`${folder}/d`), Buffer.from([0xff, 0xe4])])
  await mkdir(raw)
  await writeFile(Buffer.concat([raw, Buffer.from('/ü')]), Buffer.alloc(mib, 'x'))
  const used = (await usedBytes(folder, never)) - before
  t.true(used >= 3 * mib && used < 3.2 * mib, String(used))
})

test('what lies elsewhere counts too, and is asked for at one look in six', async (t) => {
  const folder = await temporaryFolder(t)
  await writeFile(join(folder, 'f'), Buffer.alloc(mib, 'x'))
  const answers = [mib, undefined, 5 * mib]
  const elsewhere = async () => {
    const bytes = answers.shift()
    if (bytes === undefined) throw new Error('away')
    return bytes
  }
  let looks = 0
  const hasty: Clock = {
    ...systemClock,
    timer(_ms, action) {
      looks += 1
      const soon = setImmediate(action)
      return { cancel: () => clearImmediate(soon) }
    },
  }
  const options = { folder, elsewhere, limitBytes: 3 * mib, everyMs: 10 }
  const used = await new Promise<number>((resolve) => watchDisk(options, hasty, resolve))
  t.true(used >= 6 * mib)
  t.is(looks, 13)
})
