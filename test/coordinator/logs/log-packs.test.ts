import { appendFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import type { RpcError } from '../../../common/errors.js'
import { DirectoryLogStore, defaultLogStoreSettings } from '../../../coordinator/logs/directory-log-store.js'
import { smallDisk } from '../../fixtures/small-disk.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const log = (runId: number) => ({ runId, attempt: 1 })
const lineOf = (runId: number) => Buffer.from(`a line of run ${runId}\n`)

test('short logs that come together lie in one pack, durable and readable', async (t) => {
  const { logs, directory, syncs } = await makeLogs(t)
  t.deepEqual(await writeLines(logs, 1, 50), lengths(1, 50))
  const names = await readdir(join(directory, '0'))
  t.deepEqual(
    names.map((name) => name.replace(/^[0-9a-f]+/, '')),
    ['.pack'],
  )
  t.true(syncs() <= 4, `${syncs()} syncs`)
  for (const runId of [1, 25, 50]) {
    t.is(await logs.length(log(runId)), lineOf(runId).length)
    t.deepEqual(await readAll(logs, runId), lineOf(runId))
    t.is(await logs.tailOffset(log(runId), 1, 1000), 0)
  }
  t.is(await logs.length(log(51)), 0)
})

test('whoever is alone gets a file of its own at once', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 2)
  t.deepEqual(await readdir(join(directory, '0')), ['1.1.log', '2.1.log'])
})

test('a second chunk that comes while the first is on its way waits for that alone', async (t) => {
  const { logs } = await makeLogs(t)
  const firsts = [1, 2].map((runId) => logs.write(log(runId), 0, lineOf(runId)))
  const seconds = [1, 2].map((runId) =>
    logs.write(log(runId), lineOf(runId).length, Buffer.from('and more\n')),
  )
  t.deepEqual(await Promise.all(firsts), lengths(1, 2))
  t.deepEqual(
    await Promise.all(seconds),
    lengths(1, 2).map((length) => length + 9),
  )
})

test('a log that goes on moves to a file of its own, whole', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 5)
  const first = lineOf(3)
  t.is(await logs.write(log(3), first.length, Buffer.from('second\n')), first.length + 7)
  t.is(await readFile(join(directory, '0/3.1.log'), 'utf8'), `${first}second\n`)
  t.deepEqual(await readAll(logs, 3), Buffer.concat([first, Buffer.from('second\n')]))
  t.is(
    await logs.write(log(4), 0, Buffer.concat([lineOf(4), Buffer.alloc(5000, 'x')])),
    lineOf(4).length + 5000,
  )
  t.is((await readAll(logs, 4)).length, lineOf(4).length + 5000)
})

test('the next leader finds what was packed, and goes on with it', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 998, 1004)
  await logs.close()
  const next = open(t, directory).logs
  for (const runId of [998, 1004]) t.deepEqual(await readAll(next, runId), lineOf(runId))
  // A chunk that was sent again changes nothing, wherever it comes to lie.
  t.deepEqual(await writeLines(next, 998, 1004), lengths(998, 1004))
  t.is(await next.write(log(999), lineOf(999).length, Buffer.from('more')), lineOf(999).length + 4)
  await next.close()
  const last = open(t, directory).logs
  t.deepEqual(await readAll(last, 999), Buffer.concat([lineOf(999), Buffer.from('more')]))
  t.deepEqual(await readAll(last, 1004), lineOf(1004))
})

test('who asks while the store is away makes nobody forget what was packed', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 5)
  await logs.forget()
  await rename(directory, `${directory}.away`)
  t.is(await logs.length(log(2)), 0)
  await rename(`${directory}.away`, directory)
  t.is(await logs.length(log(2)), lineOf(2).length)
  t.deepEqual(await readAll(logs, 2), lineOf(2))
})

test('a leader that was deposed spoils nothing of what its successor packs', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 5)
  const next = open(t, directory).logs
  await Promise.all([writeLines(next, 10, 20), writeLines(logs, 6, 9)])
  const last = open(t, directory).logs
  for (let runId = 1; runId <= 20; runId++) t.deepEqual(await readAll(last, runId), lineOf(runId))
})

test('what a power cut has torn was never answered for, and costs nothing else', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 5)
  await logs.close()
  const pack = await onlyPack(directory)
  const { length } = await readFile(pack)
  await appendFile(pack, Buffer.from('SPL1, and then nothing that is whole'))
  t.deepEqual(await readAll(open(t, directory).logs, 5), lineOf(5))
  await truncate(pack, length - 1)
  const next = open(t, directory).logs
  t.deepEqual(await readAll(next, 4), lineOf(4))
  t.is(await next.length(log(5)), 0)
})

test('a file that a crash left shorter than the pack is completed before it goes on', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await writeLines(logs, 1, 5)
  await writeFile(join(directory, '0/2.1.log'), lineOf(2).subarray(0, 3))
  t.is(await logs.length(log(2)), lineOf(2).length)
  t.is(await logs.write(log(2), lineOf(2).length, Buffer.from('!')), lineOf(2).length + 1)
  t.is(await readFile(join(directory, '0/2.1.log'), 'utf8'), `${lineOf(2)}!`)
})

test('followers hear of what was packed', async (t) => {
  const { logs } = await makeLogs(t)
  const heard: number[] = []
  logs.onGrown(log(2), (length) => heard.push(length))
  await writeLines(logs, 1, 5)
  t.deepEqual(heard, [lineOf(2).length])
})

test('a full disk refuses a pack with a sentence, and the next one goes through', async (t) => {
  const disk = await smallDisk(t, 512 * 1024)
  if (disk === undefined) return t.pass('no right to mount here')
  const directory = join(disk, 'logs')
  await mkdir(join(directory, '0'), { recursive: true })
  const { logs } = open(t, directory)
  await writeLines(logs, 1, 5)
  const filler = join(disk, 'filler')
  await writeFile(filler, Buffer.alloc(600_000)).catch(() => undefined)
  const full = await Promise.allSettled(
    Array.from({ length: 200 }, (_, index) => logs.write(log(index + 10), 0, Buffer.alloc(4096, 'x'))),
  )
  const refused = full.filter((one) => one.status === 'rejected')
  t.true(refused.length > 0)
  for (const { reason } of refused) t.is((reason as RpcError).code, 'RESOURCE_EXHAUSTED')
  await rm(filler)
  t.deepEqual(await writeLines(logs, 300, 305), lengths(300, 305))
  t.deepEqual(await readAll(logs, 5), lineOf(5))
})

async function makeLogs(t: ExecutionContext) {
  const directory = join(await temporaryFolder(t), 'logs')
  await mkdir(directory)
  return { ...open(t, directory), directory }
}

function open(t: ExecutionContext, directory: string) {
  let syncs = 0
  const logs = new DirectoryLogStore(
    { ...defaultLogStoreSettings, groupMs: 1, directory },
    {
      clock: systemClock,
      checkPresent: async () => undefined,
      synced: () => {
        syncs += 1
      },
    },
  )
  t.teardown(() => logs.close())
  return { logs, syncs: () => syncs }
}

function writeLines(logs: DirectoryLogStore, from: number, to: number): Promise<readonly number[]> {
  const runs = Array.from({ length: to - from + 1 }, (_, index) => from + index)
  return Promise.all(runs.map((runId) => logs.write(log(runId), 0, lineOf(runId))))
}

function lengths(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => lineOf(from + index).length)
}

async function onlyPack(directory: string): Promise<string> {
  const [name = '', ...others] = await readdir(join(directory, '0'))
  if (others.length > 0) throw new Error(`There are more: ${others.join(', ')}`)
  return join(directory, '0', name)
}

async function readAll(logs: DirectoryLogStore, runId: number): Promise<Buffer> {
  const all: Buffer[] = []
  for await (const piece of logs.read(log(runId), 0, Number.POSITIVE_INFINITY)) all.push(piece)
  return Buffer.concat(all)
}
