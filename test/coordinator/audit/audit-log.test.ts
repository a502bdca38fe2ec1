import { appendFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Log, silentLog } from '../../../common/log.js'
import type { AuditEntry } from '../../../coordinator/audit/audit-entry.js'
import { AuditFiles } from '../../../coordinator/audit/audit-files.js'
import { AuditLog } from '../../../coordinator/audit/audit-log.js'
import { FakeClock } from '../../fakes/fake-clock.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const usual: AuditEntry = {
  ...{ atMs: 1_000, user: 'ann', method: 'Runs/Kill', status: 'OK', address: '10.0.0.1:1', via: '' },
  ...{ about: { runIds: '1' }, reason: '', more: 0 },
}
const numbered = (number: number): AuditEntry => ({ ...usual, atMs: number })

async function desk(t: ExecutionContext, limits = { maxFileBytes: 100_000, maxFiles: 4 }) {
  const folder = join(await temporaryFolder(t), 'audit')
  const clock = new FakeClock()
  const said: string[] = []
  const counts = { lost: 0, failed: 0 }
  const log: Log = {
    ...silentLog,
    error: (sentence) => said.push(sentence),
    warn: (sentence) => said.push(sentence),
  }
  const open = () =>
    new AuditLog({
      ...{ clock, log, files: new AuditFiles({ folder, ...limits }) },
      lost: () => {
        counts.lost += 1
      },
      failed: () => {
        counts.failed += 1
      },
    })
  return { folder, clock, said, counts, open }
}

const all = () => true

test('what was added is read, newest last, also by a later program', async (t) => {
  const { open, folder } = await desk(t)
  const first = open()
  for (let number = 1; number <= 3; number += 1) first.add(numbered(number))
  t.deepEqual(await first.read(10, all), [1, 2, 3].map(numbered))
  first.add({ ...usual, user: 'bob' })
  await first.close()
  const second = open()
  t.deepEqual(
    (await second.read(2, all)).map(({ user, atMs }) => [user, atMs]),
    [
      ['ann', 3],
      ['bob', 1_000],
    ],
  )
  t.deepEqual((await second.read(5, ({ user }) => user === 'bob')).length, 1)
  t.is((await stat(join(folder, 'audit.jsonl'))).mode & 0o777, 0o600)
  await second.close()
})

test('nobody waits for the disk: what comes within a moment is written together', async (t) => {
  const { open, folder, clock } = await desk(t)
  const audit = open()
  audit.add(numbered(1))
  audit.add(numbered(2))
  await t.throwsAsync(stat(folder))
  await clock.advance(200)
  await audit.close()
  t.is((await readFile(join(folder, 'audit.jsonl'), 'utf8')).split('\n').length, 3)
})

test('files are bounded in size and number; reading goes over all of them', async (t) => {
  const { open, folder } = await desk(t, { maxFileBytes: 1_000, maxFiles: 3 })
  const audit = open()
  for (let number = 1; number <= 60; number += 1) {
    audit.add(numbered(number))
    await audit.read(1, all)
  }
  const names = (await readdir(folder)).sort()
  t.deepEqual(names, ['audit.1.jsonl', 'audit.2.jsonl', 'audit.jsonl'])
  for (const name of names) t.true((await stat(join(folder, name))).size <= 1_000)
  const kept = (await audit.read(100, all)).map(({ atMs }) => atMs)
  t.true(kept.length > 8)
  t.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, index) => 60 - kept.length + 1 + index),
  )
  await audit.close()
})

test('a line that a crash has cut off is left out and swallows no other', async (t) => {
  const { open, folder } = await desk(t)
  await mkdir(folder)
  await appendFile(join(folder, 'audit.jsonl'), '{"time":"2030-01-')
  const audit = open()
  audit.add(numbered(7))
  t.deepEqual(await audit.read(10, all), [numbered(7)])
  await audit.close()
})

test('a disk that refuses is told of once; what waits is bounded, and written when it can be', async (t) => {
  const { open, folder, clock, said, counts } = await desk(t, { maxFileBytes: 64 * 1024 ** 2, maxFiles: 2 })
  await writeFile(folder, 'no folder')
  const audit = open()
  const large = { ...usual, about: { name: 'x'.repeat(60_000) } }
  for (let number = 0; number < 100; number += 1) audit.add(large)
  t.true(counts.lost > 20 && counts.lost < 60)
  await t.throwsAsync(audit.read(1, all), { code: 'UNAVAILABLE', message: /cannot be read/ })
  await clock.advance(5_000)
  t.deepEqual(said, ['The audit log cannot be written'])
  await rm(folder)
  await clock.advance(5_000)
  t.is((await audit.read(1_000, all)).length, 100 - counts.lost)
  t.deepEqual(said, ['The audit log cannot be written', 'The audit log is written again'])
  t.true(counts.failed >= 2)
  await audit.close()
})

test('whoever is refused again and again does not fill the log: the others are counted', async (t) => {
  const { open, clock } = await desk(t)
  const audit = open()
  const refusal = { ...usual, status: 'UNAUTHENTICATED', user: '' }
  for (let number = 0; number < 500; number += 1) audit.addRefusal(refusal)
  await clock.advance(61_000)
  audit.addRefusal(refusal)
  const entries = await audit.read(1_000, all)
  t.is(entries.length, 121)
  t.is(entries.at(-1)?.more, 380)
  await audit.close()
})
