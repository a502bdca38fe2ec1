import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { type Clock, systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { seededRandom } from '../../../common/random.js'
import { Journal, type JournalSettings } from '../../../node-agent/journal/journal.js'
import { testSettings } from './settings.js'

const run = (runId: number) => ({ runId, attempt: 1 })
const payload = (text: string) => Buffer.from(text)

function tempFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'spell-journal-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function open(settings: JournalSettings, clock: Clock = systemClock): Promise<Journal> {
  return await Journal.open(settings, {
    clock,
    failpoints: noFailpoints,
    onFailure: (error) => {
      throw error
    },
  })
}

function textsOf(journal: Journal, key: string): readonly string[] | undefined {
  return journal.attempts.get(key)?.map((entry) => `${entry.kind} ${entry.payload}`)
}

test('entries are read back in order, of what was not forgotten', async (t) => {
  const settings = testSettings(tempFolder(t))
  const journal = await open(settings)
  await Promise.all([
    journal.append('assigned', run(1), payload('one')),
    journal.append('assigned', run(2), payload('two')),
    journal.append('report', run(1), payload('a')),
    journal.append('report', run(2), payload('b')),
    journal.append('fact', run(1), payload('c')),
    journal.append('forgotten', run(2), payload('')),
    journal.setGeneration('g1'),
  ])
  await journal.close()
  const again = await open(settings)
  t.deepEqual(textsOf(again, '1.1'), ['assigned one', 'report a', 'fact c'])
  t.is(again.attempts.size, 1)
  t.deepEqual({ ...again.node }, { highestRunId: 2, generation: 'g1' })
  await again.close()
})

test('segments are used again, and a run that stays for long keeps none of them', async (t) => {
  const settings = testSettings(tempFolder(t))
  const journal = await open(settings)
  await journal.append('assigned', run(1), payload('stays'))
  for (let id = 2; id < 2_000; id++) {
    // Waited for together: the syncs are not what is tested.
    void journal.append('assigned', run(id), Buffer.alloc(1_000, 66))
    const done = journal.append('forgotten', run(id), payload(''))
    if (id % 50 === 0) await done
  }
  await journal.append('report', run(1), payload('still here'))
  await journal.close()
  t.true(readdirSync(settings.folder).length < 10, readdirSync(settings.folder).join(' '))
  const again = await open(settings)
  t.deepEqual(textsOf(again, '1.1'), ['assigned stays', 'report still here'])
  t.is(again.node.highestRunId, 1_999)
  await again.close()
})

test('a tail that was torn anywhere is ignored, and written over', async (t) => {
  const settings = testSettings(tempFolder(t))
  const journal = await open(settings)
  await journal.append('assigned', run(1), payload('one'))
  for (let number = 0; number < 20; number++) await journal.append('report', run(1), payload(`r${number}`))
  await journal.close()
  const name = readdirSync(settings.folder).find((file) => file.endsWith('.segment')) ?? ''
  const whole = readFileSync(join(settings.folder, name))
  const end = whole.lastIndexOf('r19') + 3
  const random = seededRandom(7)
  for (let tear = 0; tear < 40; tear++) {
    const at = 60 + Math.floor(random.next() * (end - 60))
    const torn = Buffer.from(whole)
    torn[at] = (torn[at] ?? 0) ^ 0x5a
    writeFileSync(join(settings.folder, name), torn)
    const again = await open(settings)
    const read = (textsOf(again, '1.1') ?? []).slice(1)
    t.deepEqual(
      read,
      Array.from(read, (_, number) => `report r${number}`),
    )
    t.true(read.length < 20)
    await again.append('report', run(1), payload('new'))
    await again.close()
    const third = await open(settings)
    t.deepEqual(textsOf(third, '1.1')?.slice(1), [...read, 'report new'])
    await third.close()
  }
})

test('a damaged segment that was complete once is named, not skipped', async (t) => {
  const settings = testSettings(tempFolder(t))
  const journal = await open(settings)
  for (let number = 0; number < 60; number++)
    await journal.append(number === 0 ? 'assigned' : 'report', run(1), Buffer.alloc(2_000, 67))
  await journal.close()
  const name = readdirSync(settings.folder).find((file) => file.endsWith('.segment')) ?? ''
  const bytes = readFileSync(join(settings.folder, name))
  bytes[30_000] = 0
  writeFileSync(join(settings.folder, name), bytes)
  const error = await t.throwsAsync(open(settings))
  t.regex(error?.message ?? '', new RegExp(`${name} is damaged`))
})

test('many entries that wait together share one sync', async (t) => {
  let syncs = 0
  const settings = { ...testSettings(tempFolder(t)), segmentBytes: 1 << 20 }
  const journal = await Journal.open(settings, {
    clock: systemClock,
    failpoints: {
      reach: (name) => {
        if (name === 'journal-synced') syncs += 1
      },
    },
    onFailure: (error) => t.fail(String(error)),
  })
  await journal.append('assigned', run(1), payload('one'))
  await Promise.all(Array.from({ length: 500 }, () => journal.append('report', run(1), payload('r'))))
  t.true(syncs <= 3, `${syncs} syncs`)
  await journal.close()
})

test('an entry too large for a segment is refused', async (t) => {
  const journal = await open(testSettings(tempFolder(t)))
  await t.throwsAsync(journal.append('assigned', run(1), Buffer.alloc(1 << 16)), { message: /too large/ })
  await journal.close()
})

const asRoot = process.getuid?.() === 0 ? test.serial : test.serial.skip

asRoot('on a full disk no new run is taken, and how the present ones end is still told', async (t) => {
  const folder = tempFolder(t)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
  t.teardown(() => execFileSync('umount', [folder]))
  const settings = testSettings(join(folder, 'journal'))
  const journal = await open(settings)
  const runs = Array.from({ length: 20 }, (_, index) => run(index + 1))
  await Promise.all(runs.map((id) => journal.append('assigned', id, payload('x'))))
  const { bavail, bsize } = statfsSync(folder)
  writeFileSync(join(folder, 'fill'), Buffer.alloc(bavail * bsize))
  t.throws(() => writeFileSync(join(folder, 'more'), 'x'), { code: 'ENOSPC' })
  // The present segment fills; the first spare is begun, and can't be replaced.
  let refused: unknown
  for (let count = 0; count < 300 && refused === undefined; count++)
    await journal.append('assigned', run(100 + count), Buffer.alloc(500, 68)).catch((error: unknown) => {
      refused = error
    })
  t.like(refused, { code: 'RESOURCE_EXHAUSTED' })
  for (const id of runs)
    for (let number = 0; number < 5; number++) await journal.append('report', id, Buffer.alloc(200, 69))
  await journal.close()
  const again = await open(settings)
  for (const { runId } of runs) t.is(again.attempts.get(`${runId}.1`)?.length, 6)
  for (let count = 0; count < 300; count++) {
    if (again.attempts.has(`${100 + count}.1`)) await again.append('forgotten', run(100 + count), payload(''))
  }
  rmSync(join(folder, 'fill'))
  await again.close()
  const third = await open(settings)
  await third.append('assigned', run(1_000), payload('there is space again'))
  await third.close()
})
