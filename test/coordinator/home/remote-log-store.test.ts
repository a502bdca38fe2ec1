import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { RpcError } from '../../../common/errors.js'
import { RemoteLogStore } from '../../../coordinator/home/remote-log-store.js'
import { markDirectoryStore } from '../../../spellfs/store-mark.js'
import {
  logStoreContract,
  type OpenedLogs,
  type OpenLogsOptions,
} from '../../contracts/log-store-contract.js'
import { startHome } from '../../fixtures/home.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const id = { runId: 7, attempt: 1 }

for (const [title, check] of Object.entries(logStoreContract)) test(title, (t) => check(t, openRemote))

test('while the home is away chunks are refused with a sentence, and repeated when it is back', async (t) => {
  const { home, logs } = await makeHome(t)
  t.is(await logs.write(id, 0, Buffer.from('before ')), 7)
  await home.stop()
  for (const action of [
    logs.write(id, 7, Buffer.from('after')),
    logs.length(id),
    logs.tailOffset(id, 1, 7),
  ]) {
    const error = await t.throwsAsync(action, { instanceOf: RpcError })
    t.is(error?.code, 'UNAVAILABLE')
    t.regex(
      error?.message ?? '',
      /^The store is away: its home, the coordinator alpha \(.*\), does not answer: .+\.$/,
    )
  }
  await home.restart()
  for (let length = 0; length < 12; )
    length = await logs.write(id, 0, Buffer.from('before after')).catch(() => 0)
  t.is(await logs.length(id), 12)
})

test('many writers through a home that is restarted again and again leave each log once, whole', async (t) => {
  const { home, logs } = await makeHome(t)
  const bytes = Buffer.from(Array.from({ length: 60_000 }, (_, index) => (index * 7) % 251))
  const going = new Set<number>()
  const writers = Array.from({ length: 20 }, async (_, index) => {
    const own = { runId: index + 1, attempt: 1 }
    going.add(index)
    // After a failure the sender asks where it stands, as agents do.
    for (let at = 0; at < bytes.length; )
      at = await logs
        .write(own, at, bytes.subarray(at, at + 3_000))
        .catch(() => logs.length(own).catch(() => at))
    going.delete(index)
    const all: Buffer[] = []
    for await (const piece of logs.read(own, 0, bytes.length)) all.push(piece)
    return Buffer.concat(all).equals(bytes)
  })
  for (let round = 0; round < 3 && going.size > 0; round += 1) {
    await home.restart()
    while (going.size > 0 && !(await logs.length({ runId: 1, attempt: 1 }).catch(() => undefined)));
  }
  t.deepEqual(new Set(await Promise.all(writers)), new Set([true]))
})

test('of a chunk whose answer was lost followers hear as soon as somebody asks', async (t) => {
  const { home, logs } = await makeHome(t)
  const heard: number[] = []
  logs.onGrown(id, (length) => heard.push(length))
  await home.remote().logs.write(id, 0, Buffer.from('abc'))
  t.deepEqual(heard, [])
  t.is(await logs.length(id), 3)
  t.deepEqual(heard, [3])
})

test("a node's certificate gets no log and brings none", async (t) => {
  const { home } = await makeHome(t)
  const logs = new RemoteLogStore(home.channel(await home.certificate('node:gpu-1')))
  for (const action of [logs.write(id, 0, Buffer.from('x')), logs.length(id)]) {
    const error = await t.throwsAsync(action, { instanceOf: RpcError })
    t.regex(error?.message ?? '', /says: Only coordinators may call this/)
  }
})

async function makeHome(t: ExecutionContext, options: OpenLogsOptions = {}) {
  const store = join(await temporaryFolder(t), 'store')
  const logDirectory = options.directory ?? join(store, '.spell/logs')
  await markDirectoryStore(store, 'test')
  await mkdir(logDirectory)
  const logSettings = options.settings ?? {}
  const home = await startHome(t, { directory: store, logDirectory, logSettings })
  return { home, logDirectory, logs: home.remote().logs }
}

async function openRemote(t: ExecutionContext, options: OpenLogsOptions = {}): Promise<OpenedLogs> {
  const { home, logDirectory, logs } = await makeHome(t, options)
  const reopen = async () => {
    await home.restart()
    const { logs: next } = home.remote()
    return next
  }
  t.teardown(() => logs.close())
  return { logs, directory: logDirectory, reopen }
}
