import { appendFile, chmod, mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { LogTimes, piecesByTime, readLogTimes } from '../../../coordinator/logs/log-times.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const start = Date.UTC(2030, 0, 1)

test('times are kept to a quarter of a second, and read back by whoever comes later', async (t) => {
  const path = join(await temporaryFolder(t), '7.1.times')
  const times = new LogTimes(path)
  for (const [offset, ms] of [
    [0, 0],
    [10, 100],
    [20, 300],
    [30, 5_000],
  ] as const)
    await times.note(offset, start + ms)
  const expected = [
    { offset: 0, atMs: start },
    { offset: 20, atMs: start + 300 },
    { offset: 30, atMs: start + 5_000 },
  ]
  t.deepEqual(await times.all(), expected)
  await times.close()
  t.deepEqual(await readLogTimes(path), expected)
  const next = new LogTimes(path)
  await next.note(40, start + 5_100)
  await next.note(50, start + 9_000)
  await next.close()
  t.deepEqual(await readLogTimes(path), [...expected, { offset: 50, atMs: start + 9_000 }])
})

test('a log that came in one go has no file of times', async (t) => {
  const path = join(await temporaryFolder(t), '7.1.times')
  const times = new LogTimes(path)
  await times.note(0, start)
  await times.close()
  await t.throwsAsync(stat(path), { code: 'ENOENT' })
  t.deepEqual(await readLogTimes(path), [])
})

test('a month of output ten times a second takes less than two megabytes', async (t) => {
  const path = join(await temporaryFolder(t), '7.1.times')
  const times = new LogTimes(path)
  const [monthMs, everyMs] = [30 * 86_400_000, 1_000]
  for (let ms = 0; ms < monthMs; ms += everyMs) await times.note(ms, start + ms)
  await times.close()
  t.true((await stat(path)).size < 2_000_000)
  const kept = await readLogTimes(path)
  const widest = Math.max(...kept.slice(1).map(({ atMs }, index) => atMs - (kept[index]?.atMs ?? 0)))
  t.true(widest < monthMs / 16_384 + 2 * everyMs)
})

test('a record that was cut off, or goes back, counts as none', async (t) => {
  const path = join(await temporaryFolder(t), '7.1.times')
  const first = new LogTimes(path)
  await first.note(100, start + 60_000)
  await first.close()
  const deposed = new LogTimes(path)
  await deposed.note(50, start + 70_000)
  await deposed.close()
  await appendFile(path, Buffer.alloc(5))
  // Nothing is written behind a piece of a record: all that followed would be misread.
  const next = new LogTimes(path)
  await next.note(200, start + 90_000)
  await next.close()
  t.deepEqual(await readLogTimes(path), [{ offset: 100, atMs: start + 60_000 }])
})

test('times that cannot be written cost the log nothing', async (t) => {
  const folder = join(await temporaryFolder(t), 'gone')
  const times = new LogTimes(join(folder, '7.1.times'))
  await times.note(1, start)
  await t.notThrowsAsync(times.close())
  await mkdir(folder)
  await chmod(folder, 0o755)
  await times.note(2, start + 1_000)
  t.deepEqual(await times.all(), [])
})

test('a piece of a log is cut where its times change, and nothing of it is lost', (t) => {
  const times = fc
    .uniqueArray(fc.nat(60), { maxLength: 8 })
    .map((offsets) => offsets.sort((a, b) => a - b).map((offset) => ({ offset, atMs: 1_000 + offset })))
  fc.assert(
    fc.property(times, fc.nat(50), fc.uint8Array({ maxLength: 40 }), (all, offset, bytes) => {
      const data = Buffer.from(bytes)
      let at = offset
      for (const piece of piecesByTime(all, offset, data)) {
        t.true(piece.data.length > 0)
        for (let index = 0; index < piece.data.length; index += 1)
          t.is(piece.atMs, all.findLast((time) => time.offset <= at + index)?.atMs ?? 0)
        t.deepEqual(piece.data, data.subarray(at - offset, at - offset + piece.data.length))
        at += piece.data.length
      }
      t.is(at, offset + data.length)
    }),
  )
})
