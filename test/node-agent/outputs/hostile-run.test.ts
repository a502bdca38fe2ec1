import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import { makeRun } from '../../fixtures/run-folder.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const swaps = test.macro<[(spell: string, outside: string) => Promise<void>]>({
  async exec(t, swap) {
    const { spell, begin, scan, send } = await makeRun(t)
    await begin()
    const outside = await temporaryFolder(t)
    await writeFile(join(outside, 'secret'), 'secret')
    await mkdir(join(spell, 'd/e'), { recursive: true })
    await writeFile(join(spell, 'd/e/secret'), 'mine')
    await writeFile(join(spell, 'other'), 'other')
    const list = await scan()
    await swap(spell, outside)
    const { texts, lines } = await send(list)
    t.deepEqual(texts, { other: 'other' })
    t.is(lines.length, 1)
  },
  title: (name) => `between scan and upload, ${name}: nothing from outside is read`,
})
test('a folder swapped for a link', swaps, async (spell, outside) => {
  await rename(join(spell, 'd/e'), join(spell, 'aside'))
  await symlink(outside, join(spell, 'd/e'))
})
test('a folder above swapped for a link', swaps, async (spell, outside) => {
  await mkdir(join(outside, 'e'))
  await writeFile(join(outside, 'e/secret'), 'secret')
  await rename(join(spell, 'd'), join(spell, 'aside'))
  await symlink(outside, join(spell, 'd'))
})
test('a file swapped for a pipe', swaps, async (spell) => {
  await rm(join(spell, 'd/e/secret'))
  await execa('mkfifo', [join(spell, 'd/e/secret')])
})
test('a file removed', swaps, async (spell) => {
  await rm(join(spell, 'd'), { recursive: true })
})

test('a folder that is a link before the scan is kept as a link and not walked', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  const outside = await temporaryFolder(t)
  await writeFile(join(outside, 'secret'), 'secret')
  await symlink(outside, join(spell, 'd'))
  const { texts, entries } = await save()
  t.deepEqual(texts, {})
  t.is(entries.length, 1)
})

test('a process that swaps folders for links all the time gets nothing from outside saved', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  const outside = await temporaryFolder(t)
  for (let index = 0; index < 50; index++) await writeFile(join(outside, `f${index}`), 'secret')
  await mkdir(join(spell, 'd'))
  for (let index = 0; index < 50; index++) await writeFile(join(spell, 'd', `f${index}`), 'mine')
  await symlink(outside, join(spell, 'l'))
  const swap = `use strict; while (1) { rename "d", "x"; rename "l", "d"; rename "d", "l"; rename "x", "d" }`
  const swapper = execa('perl', ['-e', swap], { cwd: spell, reject: false })
  try {
    for (let round = 0; round < 10; round++) {
      const { texts } = await save(round + 1)
      t.false(Object.values(texts).includes('secret'))
    }
  } finally {
    swapper.kill('SIGKILL')
    await swapper
  }
})
