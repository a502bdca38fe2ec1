import { chmod, mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../../common/clock.js'
import { silentLog } from '../../../common/log.js'
import { sweep } from '../../../node-agent/attempts/sweep.js'
import { removeLeft } from '../../../node-agent/attempts/take-back.js'
import { ProcessRuntime } from '../../../node-agent/runtimes/process.js'
import { asNobody } from '../../fixtures/as-nobody.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 1, attempt: 1 }

test.serial('an agent without root removes folders that a run has closed, and follows no link', async (t) => {
  await asNobody(async () => {
    const attempts = await temporaryFolder(t)
    const outside = await temporaryFolder(t)
    await chmod(outside, 0o500)
    const folder = join(attempts, '1.1')
    for (const mode of [0o000, 0o300, 0o444, 0o555]) {
      const closed = join(folder, `spell/d${mode}/closed`)
      await mkdir(join(closed, 'below'), { recursive: true })
      await writeFile(join(closed, 'f'), 'x')
      await symlink(outside, join(closed, 'link'))
      await chmod(join(closed, 'below'), 0o000)
      await chmod(closed, mode)
    }
    await chmod(join(folder, 'spell'), 0o000)
    const runtime = new ProcessRuntime({ attemptsFolder: attempts }, systemClock)
    await removeLeft({ id, folder }, runtime)
    t.deepEqual(await readdir(attempts), [])
    t.is((await stat(outside)).mode & 0o777, 0o500)
  })
})

test.serial('after a start, what can not be removed keeps nothing else from being removed', async (t) => {
  const attempts = await temporaryFolder(t)
  if (process.getuid?.() !== 0) return t.pass('only root can put something in the way')
  await mkdir(join(attempts, '1.1/spell/of-root'), { recursive: true })
  await chmod(attempts, 0o777)
  await asNobody(async () => {
    await mkdir(join(attempts, '2.1'))
    await mkdir(join(attempts, '.spare-1'))
    const known = { all: () => [], has: () => false }
    const runtime = new ProcessRuntime({ attemptsFolder: attempts }, systemClock)
    await sweep(attempts, known, { runtime, log: silentLog })
  })
  t.deepEqual(await readdir(attempts), ['1.1'])
})
