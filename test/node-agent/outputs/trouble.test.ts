import { mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import { makeRun } from '../../fixtures/run-folder.js'

/** A file that says how large it is and gives none of it. */
const unreadable = '/sys/class/net/lo/speed'

test('a file that the disk does not give costs none of the others, and gets a line', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  for (const name of ['a', 'bad', 'c']) await writeFile(join(spell, name), name)
  const mounted = await execa('mount', ['--bind', unreadable, join(spell, 'bad')], { reject: false })
  if (mounted.exitCode !== 0) return t.pass('only root mounts')
  t.teardown(async () => {
    await execa('umount', ['--lazy', join(spell, 'bad')])
  })
  const { texts, lines } = await save()
  t.deepEqual(texts, { a: 'a', c: 'c' })
  t.deepEqual(lines, ['bad is not saved: it vanished or can not be read.'])
})

test('a list of before that is damaged or gone: everything is saved, with a line', async (t) => {
  const { spell, baselineFile, begin, save } = await makeRun(t)
  for (const name of ['a', 'b', 'c']) await writeFile(join(spell, name), name)
  await begin()
  await writeFile(baselineFile, (await readFile(baselineFile)).subarray(0, 150))
  const damaged = await save()
  t.deepEqual(damaged.texts, { a: 'a', b: 'b', c: 'c' })
  t.regex(damaged.lines[0] ?? '', /every file counts as new/)
  await rm(baselineFile)
  t.deepEqual((await save(2)).texts, { a: 'a', b: 'b', c: 'c' })
})

for (const [what, replace] of [
  ['removes it', async () => undefined],
  ['puts a file in its place', (spell: string) => writeFile(spell, 'x')],
  ['puts a link in its place', (spell: string) => symlink('/etc', spell)],
] as const)
  test(`of a run that takes /spell away and ${what} there is nothing to save`, async (t) => {
    const { spell, begin, scan } = await makeRun(t)
    await mkdir(join(spell, 'r'))
    await begin()
    await rm(spell, { recursive: true })
    await replace(spell)
    const { outputs, lines } = await scan()
    t.deepEqual(outputs, [])
    t.deepEqual(lines, ['Nothing is saved: the run took /spell away.'])
  })

test('files may pretend to be longer than what they use up to a limit, the others are left out with a line', async (t) => {
  const { spell, begin, scan, send } = await makeRun(t)
  await begin()
  await writeFile(join(spell, 'dense'), Buffer.alloc(3_000_000, 'x'))
  for (const [name, bytes] of [
    ['endless', 10 * 2 ** 40],
    ['small', 600_000],
  ] as const) {
    await writeFile(join(spell, name), '')
    await truncate(join(spell, name), bytes)
  }
  const { texts, lines } = await send(await scan(1_000_000))
  t.deepEqual(Object.keys(texts).sort(), ['dense', 'small'])
  t.deepEqual(lines, [
    'endless is not saved: it has 10995116277760 bytes and uses 0, and such files may pretend to 1000000 bytes in all.',
  ])
  await truncate(join(spell, 'dense'), 3_500_000)
  const { outputs } = await scan(1_000_000)
  t.is(outputs.length, 1, 'together they are too many')
})
