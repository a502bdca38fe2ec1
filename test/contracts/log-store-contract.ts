import { readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'
import fc from 'fast-check'
import { RpcError } from '../../common/errors.js'
import type { DirectoryLogStoreSettings } from '../../coordinator/logs/directory-log-store.js'
import type { LogStore } from '../../coordinator/logs/log-store.js'
import { smallDisk } from '../fixtures/small-disk.js'

export interface OpenedLogs {
  readonly logs: LogStore
  /** Where they lie. */
  readonly directory: string
  /** As after a restart of whatever has the directory. */
  reopen(): Promise<LogStore>
}

export interface OpenLogsOptions {
  /** One of the test's own when left out. */
  readonly directory?: string
  readonly settings?: Partial<DirectoryLogStoreSettings>
}

export type LogStoreCase = (
  t: ExecutionContext,
  open: (t: ExecutionContext, options?: OpenLogsOptions) => Promise<OpenedLogs>,
) => Promise<unknown>

const id = { runId: 1234, attempt: 1 }

/** Text, how many lines, and what these are. */
const tails: readonly (readonly [string, number, string])[] = [
  ['a\nb\nc\n', 2, 'b\nc\n'],
  ['a\nb\nc', 2, 'b\nc'],
  ['a\nb\nc\n', 0, ''],
  ['a\nb\nc\n', 10, 'a\nb\nc\n'],
  ['\n\n\n', 2, '\n\n'],
  ['', 3, ''],
  [`first\n${'x'.repeat(200_000)}\nlast\n`, 2, `${'x'.repeat(200_000)}\nlast\n`],
]

/** What every log store in a directory promises (coordinator/logs/log-store.ts), whoever's it is; each is a test on each. */
export const logStoreContract: Readonly<Record<string, LogStoreCase>> = {
  'bytes are where they were put, in the file of run and attempt': async (t, open) => {
    const { logs, directory } = await open(t)
    t.is(await logs.length(id), 0)
    t.is(await logs.write(id, 0, Buffer.from('one\n')), 4)
    t.is(await logs.write(id, 4, Buffer.from('two\n')), 8)
    t.is(await logs.length(id), 8)
    t.is(await readFile(join(directory, '1/1234.1.log'), 'utf8'), 'one\ntwo\n')
    t.is(await readAll(logs, 2, 6), 'e\ntw')
    t.is(await readAll(logs, 0, 1000), 'one\ntwo\n')
    t.is(await readAll(logs, 8, 1000), '')
  },

  'logs are for the owner alone': async (t, open) => {
    const { logs, directory } = await open(t)
    await logs.write(id, 0, Buffer.alloc(3_000_000, 'x'))
    const names = await readdir(directory, { recursive: true })
    t.true(names.length > 1)
    for (const name of names) t.is((await stat(join(directory, name))).mode & 0o077, 0, name)
  },

  'a repeated chunk changes nothing, an overlapping one brings what is new': async (t, open) => {
    const { logs } = await open(t)
    await logs.write(id, 0, Buffer.from('abcdef'))
    t.is(await logs.write(id, 0, Buffer.from('abc')), 6)
    t.is(await logs.write(id, 2, Buffer.from('XXXX')), 6)
    t.is(await logs.write(id, 4, Buffer.from('efgh')), 8)
    t.is(await logs.write(id, 8, Buffer.alloc(0)), 8)
    t.is(await readAll(logs), 'abcdefgh')
  },

  'a chunk that would leave a gap is not taken, and the answer says where to go on': async (t, open) => {
    const { logs } = await open(t)
    await logs.write(id, 0, Buffer.from('abc'))
    t.is(await logs.write(id, 4, Buffer.from('efg')), 3)
    t.is(await readAll(logs), 'abc')
  },

  'chunks of many logs, pipelined, repeated and cut anyhow, make each log once': async (t, open) => {
    const cuts = fc.array(fc.array(fc.tuple(fc.nat(40), fc.nat(40)), { maxLength: 8 }), {
      minLength: 1,
      maxLength: 6,
    })
    let runId = 0
    const { logs } = await open(t, { settings: { maxOpenFiles: 2 } })
    await fc.assert(
      fc.asyncProperty(cuts, async (all) => {
        await Promise.all(
          all.map(async (chunks) => {
            runId += 1
            const own = { runId, attempt: 1 }
            const bytes = Buffer.from(
              Array.from({ length: 100 }, (_, index) => (index * 7 + own.runId) % 256),
            )
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
  },

  'after a restart a log goes on where it was': async (t, open) => {
    const { logs, reopen } = await open(t)
    await logs.write(id, 0, Buffer.from('before'))
    await logs.close()
    const next = await reopen()
    t.is(await next.length(id), 6)
    t.is(await next.write(id, 9, Buffer.from('x')), 6)
    t.is(await next.write(id, 6, Buffer.from(' after')), 12)
    t.is(await readAll(next), 'before after')
  },

  'followers hear of growth once it is durable, until they end it': async (t, open) => {
    const { logs } = await open(t)
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
  },

  'a log that is not there is empty': async (t, open) => {
    const { logs } = await open(t)
    t.is(await readAll(logs), '')
    t.is(await logs.tailOffset(id, 3, 10), 0)
  },

  'while the store is away nothing is taken and nothing is made': async (t, open) => {
    const { logs, directory } = await open(t)
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
  },

  'a full disk refuses the chunk with a sentence, and the log goes on once there is room': async (
    t,
    open,
  ) => {
    const disk = await smallDisk(t, 512 * 1024)
    if (disk === undefined) return t.pass('no right to mount here')
    const { logs } = await open(t, { directory: join(disk, 'logs') })
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
  },

  'more waiting bytes than allowed hold up the writer, and all arrive': async (t, open) => {
    const { logs } = await open(t, { settings: { maxWaitingBytes: 1000 } })
    const piece = Buffer.alloc(700, 'y')
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => logs.write({ runId: index + 1, attempt: 1 }, 0, piece)),
    )
    for (let runId = 1; runId <= 50; runId++) t.is(await logs.length({ runId, attempt: 1 }), 700)
  },

  'a closed store takes nothing more': async (t, open) => {
    const { logs } = await open(t)
    const last = logs.write(id, 0, Buffer.from('last'))
    await last
    await logs.close()
    await t.throwsAsync(logs.write(id, 4, Buffer.from('x')), { instanceOf: RpcError })
  },

  'the last lines are found, whatever ends them': async (t, open) => {
    const { logs } = await open(t)
    for (const [index, [text, lines, expected]] of tails.entries()) {
      const own = { runId: index + 1, attempt: 1 }
      await logs.write(own, 0, Buffer.from(text))
      const offset = await logs.tailOffset(own, lines, text.length)
      t.is(text.slice(offset), expected, `the last ${lines} lines of ${JSON.stringify(text.slice(0, 20))}`)
    }
  },

  'a large log is read whole and from anywhere, in small pieces, and left early': async (t, open) => {
    const { logs } = await open(t)
    const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => (index * 31) % 251))
    t.is(await logs.write(id, 0, bytes), bytes.length)
    t.true((await readBytes(logs, id)).equals(bytes))
    t.true((await readBytes(logs, id, 1_000_001, 2_000_003)).equals(bytes.subarray(1_000_001, 2_000_003)))
    for await (const piece of logs.read(id, 0, bytes.length)) {
      t.true(piece.length > 0 && piece.length <= 64 * 1024)
      break
    }
    t.true((await readBytes(logs, id, 2_499_999)).equals(bytes.subarray(2_499_999)))
  },

  'when bytes came in is known of a log that came in several goes': async (t, open) => {
    const { logs } = await open(t)
    const before = Date.now()
    await logs.write(id, 0, Buffer.alloc(10_000, 'x'))
    await logs.write(id, 10_000, Buffer.alloc(10_000, 'y'))
    const times = await logs.times(id)
    t.is(times[0]?.offset, 0)
    for (const { atMs } of times) t.true(atMs >= before - 1 && atMs <= Date.now())
    t.deepEqual(await logs.times({ runId: 9, attempt: 1 }), [])
  },
}

async function readAll(logs: LogStore, offset = 0, end = Number.POSITIVE_INFINITY): Promise<string> {
  return (await readBytes(logs, id, offset, end)).toString()
}

async function readBytes(logs: LogStore, log: typeof id, offset = 0, end = Number.POSITIVE_INFINITY) {
  const all: Buffer[] = []
  for await (const piece of logs.read(log, offset, end)) all.push(piece)
  return Buffer.concat(all)
}
