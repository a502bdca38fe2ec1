import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { FolderPool } from '../../../node-agent/attempts/folder-pool.js'
import { foldersOf } from '../../../node-agent/attempts/folders.js'
import { finalLog } from '../../../node-agent/logs/final-log.js'
import { LogSource } from '../../../node-agent/logs/log-source.js'
import { readBaseline } from '../../../node-agent/outputs/baseline.js'
import { readExitNote } from '../../../node-agent/runtimes/exit-note.js'
import { hasNote, leaveNote, readNote } from '../../../node-agent/runtimes/notes.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 1, attempt: 1 }

/** What a run may put where the agent expects a file of its own. */
const strange: readonly (readonly [name: string, make: (path: string) => void])[] = [
  ['a pipe that nobody writes to', (path) => execFileSync('mkfifo', [path])],
  ['a link to an endless device', (path) => symlinkSync('/dev/zero', path)],
  ['a link to a file', (path) => symlinkSync('/etc/passwd', path)],
  ['a folder', (path) => mkdirSync(path)],
]

const instead = test.macro(async (t: ExecutionContext, make: (path: string) => void) => {
  const folder = await temporaryFolder(t)
  make(join(folder, 'exit'))
  t.is(readNote(join(folder, 'exit')), undefined)
  t.is(readExitNote(folder), undefined)
  t.true(hasNote(join(folder, 'exit')))
  leaveNote(join(folder, 'exit'))

  const file = join(folder, 'output')
  make(file)
  t.is(await finalLog(file, 10), 0)
  for (const finalBytes of [undefined, 5]) {
    const source = new LogSource({ id, file, limitBytes: 100, durable: 0, nowMs: 0 })
    source.finalBytes = finalBytes
    t.false(await source.grew())
    t.is((await source.read(100)).length, 0)
    await source.close()
  }

  await t.throwsAsync(readBaseline(file))

  const pool = new FolderPool(folder)
  const attempt = foldersOf(folder, id)
  pool.make(attempt)
  make(attempt.output)
  t.false(pool.giveBack(attempt, pool.look(attempt)))
})
for (const [name, make] of strange) test(`${name} in place of a file holds nobody up`, instead, make)

test('a note is read to its end, and no further than a note is long', async (t) => {
  const folder = await temporaryFolder(t)
  t.is(readNote(join(folder, 'exit')), undefined)
  t.is(readNote(join(folder, 'nowhere/exit')), undefined)
  writeFileSync(join(folder, 'exit'), '12\n-----\n')
  t.is(readNote(join(folder, 'exit')), '12\n-----\n')
  t.is(readExitNote(folder), 12)
  writeFileSync(join(folder, 'exit'), '9'.repeat(1 << 20))
  t.is(readNote(join(folder, 'exit'))?.length, 2048)
  t.is(readExitNote(folder), undefined)
})

test('a note is left once, also through a link', async (t) => {
  const folder = await temporaryFolder(t)
  const note = join(folder, 'note')
  t.false(hasNote(note))
  leaveNote(note)
  leaveNote(note)
  t.true(hasNote(note))
  leaveNote(join(folder, 'nowhere/note'))
  writeFileSync(join(folder, 'file'), 'precious')
  symlinkSync(join(folder, 'file'), join(folder, 'link'))
  leaveNote(join(folder, 'link'))
  t.is(readFileSync(join(folder, 'file'), 'utf8'), 'precious')
})
