import {
  appendFile,
  chmod,
  mkdir,
  readFile,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import fc from 'fast-check'
import { systemClock } from '../../../common/clock.js'
import { makeBaseline, readBaseline } from '../../../node-agent/outputs/baseline.js'
import { sendOutputs } from '../../../node-agent/outputs/outputs.js'
import { sha256Hex } from '../../../spellfs/manifest.js'
import { makeRun } from '../../fixtures/run-folder.js'

test('new and changed files are saved with content, mode and time; links as links', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await mkdir(join(spell, 'r/d'), { recursive: true })
  await writeFile(join(spell, 'r/kept'), 'kept')
  await writeFile(join(spell, 'r/edited'), 'before')
  await writeFile(join(spell, 'r/same-size'), 'before')
  await begin()
  await writeFile(join(spell, 'r/edited'), 'after it')
  await writeFile(join(spell, 'r/same-size'), 'behind')
  await writeFile(join(spell, 'r/d/large'), Buffer.alloc(1_000_000, 'x'))
  await writeFile(join(spell, 'r/empty'), '')
  await symlink('/etc/passwd', join(spell, 'r/link'))
  await symlink('d', join(spell, 'r/folder-link'))
  await writeFile(join(spell, 'r/tool'), '#!')
  await chmod(join(spell, 'r/tool'), 0o4755)
  await utimes(join(spell, 'r/tool'), 1_000_000_000.5, 1_000_000_000.5)
  const { texts, entries, lines } = await save()
  t.deepEqual(
    { ...texts, 'd/large': texts['d/large']?.length },
    { edited: 'after it', 'same-size': 'behind', 'd/large': 1_000_000, empty: '', tool: '#!' },
  )
  t.deepEqual(
    entries.find((entry) => entry.path === 'tool'),
    {
      path: 'tool',
      kind: 'file',
      sizeBytes: 2,
      mode: 0o755,
      modifiedAtMs: 1_000_000_000_500,
      sha256: sha256Hex(Buffer.from('#!')),
    },
  )
  const links = entries.flatMap((entry) => (entry.kind === 'link' ? [[entry.path, entry.target]] : []))
  t.deepEqual(links, [
    ['folder-link', 'd'],
    ['link', '/etc/passwd'],
  ])
  t.deepEqual(lines, [])
})

test('a change that sets the time back is found', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  const file = join(spell, 'f')
  await writeFile(file, 'before')
  await utimes(file, 1000, 1000)
  await begin()
  await writeFile(file, 'behind')
  await utimes(file, 1000, 1000)
  t.deepEqual((await save()).texts, { f: 'behind' })
})

test('nothing below a .git counts, at any depth, nor do deleted files and empty folders', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await mkdir(join(spell, 'r/.git/objects'), { recursive: true })
  await writeFile(join(spell, 'r/.git/HEAD'), 'x')
  await writeFile(join(spell, 'r/gone'), 'x')
  await begin()
  await appendFile(join(spell, 'r/.git/HEAD'), 'x')
  await writeFile(join(spell, 'r/.git/objects/new'), 'x')
  await mkdir(join(spell, 'r/lib/.git'), { recursive: true })
  await writeFile(join(spell, 'r/lib/.git/config'), 'x')
  await mkdir(join(spell, 'r/empty'))
  await rm(join(spell, 'r/gone'))
  await writeFile(join(spell, 'r/.gitignore'), 'x')
  t.deepEqual(Object.keys((await save()).texts), ['.gitignore'])
})

test('sockets and pipes are passed over with a line each, and do not hold anything up', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  await execa('mkfifo', [join(spell, 'pipe')])
  const server = createServer().listen(join(spell, 'socket'))
  t.teardown(() => server.close())
  if (process.getuid?.() === 0) await execa('mknod', [join(spell, 'zero'), 'c', '1', '5'])
  await writeFile(join(spell, 'f'), 'x')
  const { texts, lines } = await save()
  t.deepEqual(texts, { f: 'x' })
  t.true(lines.includes('pipe is not saved: it is neither a file nor a link.'))
  t.true(lines.includes('socket is not saved: it is neither a file nor a link.'))
})

test('names of every kind are saved, also bytes that are no text', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  for (const name of ['new\nline', 'ü 😀', '-rf', "quo'te", '$(x)', ' ', '\\', '%FF'])
    await writeFile(join(spell, name), name)
  await writeFile(Buffer.concat([Buffer.from(`${spell}/raw`), Buffer.from([0xff, 0xfe])]), 'raw')
  await mkdir(Buffer.concat([Buffer.from(`${spell}/folder`), Buffer.from([0xe4])]))
  await writeFile(
    Buffer.concat([Buffer.from(`${spell}/folder`), Buffer.from([0xe4]), Buffer.from('/ü')]),
    'in it',
  )
  const { texts, lines } = await save()
  const expected = ['new\nline', 'ü 😀', '-rf', "quo'te", '$(x)', ' ', '\\', '%FF']
  t.deepEqual(texts, {
    ...Object.fromEntries(expected.map((name) => [name, name])),
    'raw%FF%FE': 'raw',
    'folder%E4/ü': 'in it',
  })
  t.is(lines.length, 2)
})

test('many passed over make few lines', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  await execa(
    'mkfifo',
    Array.from({ length: 30 }, (_, index) => join(spell, `p${index}`)),
  )
  await writeFile(join(spell, 'f'), 'x')
  const { lines } = await save()
  t.is(lines.length, 21)
  t.is(lines.at(-1), '… and 10 more.')
})

test('a path too long for any store is passed over with a line', async (t) => {
  const { spell, begin, save } = await makeRun(t)
  await begin()
  const deep = Array.from({ length: 13 }, () => 'x'.repeat(250)).join('/')
  await mkdir(join(spell, deep), { recursive: true })
  await writeFile(join(spell, deep, 'f'), 'x')
  await writeFile(join(spell, 'g'), 'x')
  const { texts, lines } = await save()
  t.deepEqual(texts, { g: 'x' })
  t.is(lines.length, 1)
})

test('a file that grows, shrinks or changes while it is read is saved as it was read, with a line', async (t) => {
  const { spell, begin, scan, send } = await makeRun(t)
  await begin()
  for (const name of ['a-grows', 'b-shrinks', 'c-calm'])
    await writeFile(join(spell, name), Buffer.alloc(600_000, 'x'))
  const list = await scan()
  const { texts, lines } = await send(list, async (part) => {
    if (part.file?.path === 'a-grows') await appendFile(join(spell, 'a-grows'), 'more')
    if (part.file?.path === 'b-shrinks') await truncate(join(spell, 'b-shrinks'), 300_000)
  })
  t.deepEqual(Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, text.length])), {
    'a-grows': 600_000,
    'b-shrinks': 300_000,
    'c-calm': 600_000,
  })
  t.deepEqual(lines, ['a-grows changed while it was saved.', 'b-shrinks changed while it was saved.'])
})

test('sending waits for each part, keeps to 256 KiB, and ends with the abort or the trouble', async (t) => {
  const { spell, begin, scan } = await makeRun(t)
  await begin()
  await writeFile(join(spell, 'f'), Buffer.alloc(2_000_000))
  const list = await scan()
  let waiting = 0
  let most = 0
  await sendOutputs(
    list,
    async (part) => {
      waiting += 1
      most = Math.max(most, waiting, part.data.length / (256 * 1024))
      await new Promise(setImmediate)
      waiting -= 1
    },
    new AbortController().signal,
  )
  t.is(most, 1)
  const controller = new AbortController()
  const aborted = sendOutputs(list, async () => controller.abort(new Error('enough')), controller.signal)
  await t.throwsAsync(aborted, { message: 'enough' })
  const failed = sendOutputs(list, () => Promise.reject(new Error('cut')), new AbortController().signal)
  await t.throwsAsync(failed, { message: 'cut' })
})

test('a baseline read is the baseline written, and a damaged one is refused', async (t) => {
  const { spell, baselineFile, begin } = await makeRun(t)
  for (let index = 0; index < 1200; index++) await writeFile(join(spell, `f\n${index}`), '')
  await begin()
  const options = { spellFolder: spell, tracked: new Map(), owner: undefined }
  const baseline = await makeBaseline(options, new AbortController().signal)
  t.deepEqual(await readBaseline(baselineFile), baseline)
  await writeFile(baselineFile, (await readFile(baselineFile)).subarray(0, 5000))
  await t.throwsAsync(readBaseline(baselineFile))
})

test('random changes to random files: exactly those are outputs', async (t) => {
  const file = fc.constantFrom('a', 'b', 'd/a', 'd/b', 'd/e/c', 'r/a', 'r/d/b')
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(file),
      fc.uniqueArray(file),
      fc.uniqueArray(file),
      async (before, written, removed) => {
        const { spell, begin, scan } = await makeRun(t)
        const write = async (path: string, text: string) => {
          await mkdir(join(spell, path, '..'), { recursive: true })
          await writeFile(join(spell, path), text)
        }
        for (const path of before) await write(path, 'before')
        await begin()
        for (const path of removed) await rm(join(spell, path), { force: true })
        for (const path of written) await write(path, 'after')
        t.deepEqual((await scan()).outputs.map(({ path }) => path).sort(), [...written].sort())
      },
    ),
    { numRuns: 15 },
  )
})

test('20,000 small files take seconds', async (t) => {
  const { spell, begin, scan, send } = await makeRun(t)
  await begin()
  await execa(
    'python3',
    [
      '-c',
      'import os\nfor i in range(20000):\n  d=f"d{i//500}"\n  os.makedirs(d,exist_ok=True)\n  open(f"{d}/f{i}","w").write(str(i))',
    ],
    { cwd: spell },
  )
  const started = systemClock.monotonic()
  const list = await scan()
  const scanned = systemClock.monotonic()
  const { entries } = await send(list)
  t.log(
    `scan ${Math.round(scanned - started)} ms, upload ${Math.round(systemClock.monotonic() - scanned)} ms`,
  )
  t.is(entries.length, 20_000)
})
