import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import { DirectoryLogStore, defaultLogStoreSettings } from '../../../coordinator/logs/directory-log-store.js'
import { smallDisk } from '../../fixtures/small-disk.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 1234, attempt: 1 }

test('bytes are where they were put, in the file of run and attempt', async (t) => {
  const { logs, directory } = await makeLogs(t)
  t.is(await logs.length(id), 0)
  t.is(await logs.write(id, 0, Buffer.from('one\n')), 4)
  t.is(await logs.write(id, 4, Buffer.from('two\n')), 8)
  t.is(await logs.length(id), 8)
  t.is(await readFile(join(directory, '1/1234.1.log'), 'utf8'), 'one\ntwo\n')
  t.is(await readAll(logs, 2, 6), 'e\ntw')
  t.is(await readAll(logs, 0, 1000), 'one\ntwo\n')
  t.is(await readAll(logs, 8, 1000), '')
})

test('logs are for the owner alone', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await logs.write(id, 0, Buffer.alloc(3_000_000, 'x'))
  const names = await readdir(directory, { recursive: true })
  t.true(names.length > 1)
  for (const name of names) t.is((await stat(join(directory, name))).mode & 0o077, 0, name)
})

test('a repeated chunk changes nothing, an overlapping one brings what is new', async (t) => {
  const { logs } = await makeLogs(t)
  await logs.write(id, 0, Buffer.from('abcdef'))
  t.is(await logs.write(id, 0, Buffer.from('abc')), 6)
  t.is(await logs.write(id, 2, Buffer.from('XXXX')), 6)
  t.is(await logs.write(id, 4, Buffer.from('efgh')), 8)
  t.is(await logs.write(id, 8, Buffer.alloc(0)), 8)
  t.is(await readAll(logs), 'abcdefgh')
})

test('a chunk that would leave a gap is not taken, and the answer says where to go on', async (t) => {
  const { logs } = await makeLogs(t)
  await logs.write(id, 0, Buffer.from('abc'))
  t.is(await logs.write(id, 4, Buffer.from('efg')), 3)
  t.is(await readAll(logs), 'abc')
})

test('chunks of many logs, pipelined, repeated and cut anyhow, make each log once', async (t) => {
  const cuts = fc.array(fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 8 }), {
    minLength: 1,
    maxLength: 6,
  })
  let runId = 0
  const { logs } = await makeLogs(t, { maxOpenFiles: 2 })
  await fc.assert(
    fc.asyncProperty(cuts, async (all) => {
      await Promise.all(
        all.map(async (chunks) => {
          runId += 1
          const own = { runId, attempt: 1 }
          const bytes = Buffer.from(Array.from({ length: 100 }, (_, index) => (index * 7 + own.runId) % 256))
          // Two chunks are on the way at a time; after a gap the sender goes on where it is told to.
          for (const [from, length] of chunks)
            await Promise.all([
              logs.write(own, from, bytes.subarray(from, from + length)),
              logs.write(own, from + length, bytes.subarray(from + length, from + length + 5)),
            ])
          for (let at = 0; at < 100; ) at = await logs.write(own, at, bytes.subarray(at, at + 33))
          t.deepEqual(await readBytes(logs, own), bytes)
        }),
      )
    }),
    { numRuns: 50 },
  )
})

test('after a restart a log goes on where it was', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await logs.write(id, 0, Buffer.from('before'))
  await logs.close()
  const next = open(t, directory)
  t.is(await next.length(id), 6)
  t.is(await next.write(id, 9, Buffer.from('x')), 6)
  t.is(await next.write(id, 6, Buffer.from(' after')), 12)
  t.is(await readAll(next), 'before after')
})

test('what another leader has written meanwhile is seen after forgetting', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await logs.write(id, 0, Buffer.from('mine'))
  await writeFile(join(directory, '1/1234.1.log'), 'mine and theirs')
  await logs.forget()
  t.is(await logs.length(id), 15)
})

test('followers hear of growth once it is durable, until they end it', async (t) => {
  const { logs } = await makeLogs(t)
  const heard: number[] = []
  const other: number[] = []
  const end = logs.onGrown(id, (length) => heard.push(length))
  const endOther = logs.onGrown(id, (length) => other.push(length))
  await logs.write(id, 0, Buffer.from('abc'))
  await logs.write({ runId: 1, attempt: 1 }, 0, Buffer.from('of another run'))
  t.deepEqual(heard, [3])
  end()
  end()
  await logs.write(id, 3, Buffer.from('def'))
  t.deepEqual(heard, [3])
  t.deepEqual(other, [3, 6])
  endOther()
})

const tail = test.macro<[string, number, string]>({
  async exec(t, text, lines, expected) {
    const { logs } = await makeLogs(t)
    await logs.write(id, 0, Buffer.from(text))
    const offset = await logs.tailOffset(id, lines, text.length)
    t.is(text.slice(offset), expected)
  },
  title: (_, text, lines) =>
    `the last ${lines} lines of ${JSON.stringify(text.slice(0, 20))} (${text.length} bytes)`,
})
test(tail, 'a\nb\nc\n', 2, 'b\nc\n')
test(tail, 'a\nb\nc', 2, 'b\nc')
test(tail, 'a\nb\nc\n', 0, '')
test(tail, 'a\nb\nc\n', 10, 'a\nb\nc\n')
test(tail, '\n\n\n', 2, '\n\n')
test(tail, '', 3, '')
test(tail, `first\n${'x'.repeat(200_000)}\nlast\n`, 2, `${'x'.repeat(200_000)}\nlast\n`)

test('a log that is not there is empty', async (t) => {
  const { logs } = await makeLogs(t)
  t.is(await readAll(logs), '')
  t.is(await logs.tailOffset(id, 3, 10), 0)
})

test('while the store is away nothing is taken and nothing is made', async (t) => {
  const { logs, directory } = await makeLogs(t)
  await logs.write({ runId: 1, attempt: 1 }, 0, Buffer.from('x'))
  await rename(directory, `${directory}-away`)
  t.is(
    (await t.throwsAsync(logs.write(id, 0, Buffer.from('abc')), { instanceOf: RpcError }))?.code,
    'UNAVAILABLE',
  )
  const other = { runId: 2, attempt: 1 }
  await t.throwsAsync(logs.write(other, 0, Buffer.from('abc')), { instanceOf: RpcError })
  await rename(`${directory}-away`, directory)
  t.is(await logs.write(id, 0, Buffer.from('abc')), 3)
})

test('a store that goes away right after it was looked at is not made anew where it was', async (t) => {
  const folder = await temporaryFolder(t)
  const store = join(folder, 'store')
  await mkdir(join(store, '.spell'), { recursive: true })
  const logs = new DirectoryLogStore(
    { ...defaultLogStoreSettings, groupMs: 1, directory: join(store, '.spell/logs') },
    { clock: systemClock, checkPresent: () => rename(store, `${store}-away`) },
  )
  t.teardown(() => logs.close())
  const error = await t.throwsAsync(logs.write(id, 0, Buffer.from('abc')), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  t.deepEqual(await readdir(folder), ['store-away'])
})

test('a full disk refuses the chunk with a sentence, and the log goes on once there is room', async (t) => {
  const disk = await smallDisk(t, 512 * 1024)
  if (disk === undefined) return t.pass('no right to mount here')
  const directory = join(disk, 'logs')
  await mkdir(directory)
  const logs = open(t, directory)
  const filler = join(disk, 'filler')
  await writeFile(filler, Buffer.alloc(300_000))
  await logs.write(id, 0, Buffer.from('start\n'))
  const large = Buffer.alloc(400_000, 'x')
  const error = await t.throwsAsync(logs.write(id, 6, large), { instanceOf: RpcError })
  t.is(error?.code, 'RESOURCE_EXHAUSTED')
  await writeFile(filler, '')
  t.is(await logs.length(id), 6)
  t.is(await logs.write(id, 6, large), 400_006)
  t.is((await readAll(logs)).length, 400_006)
})

test('more waiting bytes than allowed hold up the writer, and all arrive', async (t) => {
  const { logs } = await makeLogs(t, { maxWaitingBytes: 1000 })
  const piece = Buffer.alloc(700, 'y')
  await Promise.all(
    Array.from({ length: 50 }, (_, index) => logs.write({ runId: index + 1, attempt: 1 }, 0, piece)),
  )
  for (let runId = 1; runId <= 50; runId++) t.is(await logs.length({ runId, attempt: 1 }), 700)
})

test('a closed store takes nothing more', async (t) => {
  const { logs } = await makeLogs(t)
  const last = logs.write(id, 0, Buffer.from('last'))
  await last
  await logs.close()
  await t.throwsAsync(logs.write(id, 4, Buffer.from('x')), { instanceOf: RpcError })
})

async function makeLogs(t: ExecutionContext, settings = {}) {
  const directory = join(await temporaryFolder(t), 'logs')
  await mkdir(directory)
  return { logs: open(t, directory, settings), directory }
}

function open(t: ExecutionContext, directory: string, settings = {}): DirectoryLogStore {
  const checkPresent = async () => {
    await readFile(join(directory, '.')).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EISDIR') throw new RpcError('UNAVAILABLE', 'The store is away.')
    })
  }
  const logs = new DirectoryLogStore(
    { ...defaultLogStoreSettings, groupMs: 1, directory, ...settings },
    { clock: systemClock, checkPresent },
  )
  t.teardown(() => logs.close())
  return logs
}

async function readAll(logs: DirectoryLogStore, offset = 0, end = Number.POSITIVE_INFINITY): Promise<string> {
  return (await readBytes(logs, id, offset, end)).toString()
}

async function readBytes(
  logs: DirectoryLogStore,
  log: typeof id,
  offset = 0,
  end = Number.POSITIVE_INFINITY,
) {
  const all: Buffer[] = []
  for await (const piece of logs.read(log, offset, end)) all.push(piece)
  return Buffer.concat(all)
}
