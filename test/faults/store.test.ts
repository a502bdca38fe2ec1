import test, { type ExecutionContext } from 'ava'
import { seededRandom, systemRandom } from '../../common/random.js'
import { storeFailpoints } from '../../coordinator/store/failpoints.js'
import { startCuttingProxy } from '../fixtures/cutting-proxy.js'
import { type EtcdFixture, startEtcd } from '../fixtures/etcd.js'
import { pauseProcess, resumeProcess } from '../fixtures/pause.js'
import type { WriterLine, WriterSettings } from '../fixtures/store-writer.js'
import { WriterProcess } from '../fixtures/writer-process.js'
import { checkHistory } from './history.js'

// Two processes write ids by turns on one etcd; one is killed, paused or cut off at a chosen place. Afterwards the whole
// history in etcd is checked, and that everything that was said to be committed is there.

async function etcdFor(t: ExecutionContext): Promise<EtcdFixture> {
  const server = await startEtcd()
  t.teardown(server.stop)
  return server
}

function startWriter(
  t: ExecutionContext,
  settings: Partial<WriterSettings> & { port: number },
): WriterProcess {
  const writer = new WriterProcess({ id: 'writer-1', leaseTtlSeconds: 1, width: 5, ...settings })
  t.teardown(() => writer.kill())
  return writer
}

async function checkAll(t: ExecutionContext, server: EtcdFixture, writers: readonly WriterProcess[]) {
  const history = await checkHistory(server.connect(), 'spell/')
  t.deepEqual(history.faults, [])
  const committed = writers.flatMap((writer) => writer.committed()).sort((a, b) => a - b)
  t.deepEqual(committed, [...new Set(committed)])
  t.true((committed.at(-1) ?? 0) <= history.newestRun)
  return history
}

const someCommits = (count: number) => (said: readonly WriterLine[]) =>
  said.filter(({ kind }) => kind === 'committed').length >= count

const resigning = (name: string) => name.startsWith('resign.')

const killedAt = test.macro({
  async exec(t, name: string) {
    const server = await etcdFor(t)
    const proxy = await startCuttingProxy(server.port)
    t.teardown(proxy.close)
    const nth = name.startsWith('commit.') && !name.includes('resolve') ? 7 : 1
    const first = startWriter(t, { port: proxy.port, failpoint: { name, nth } })
    await first.until(someCommits(10))
    if (name.includes('resolve')) await proxy.cutAnswerTo('spell/commit')
    if (resigning(name)) await first.stop()
    await first.ended
    t.is(first.signal, 'SIGKILL')
    const second = startWriter(t, { port: server.port, id: 'writer-2' })
    await second.until(someCommits(30))
    await second.stop()
    await checkAll(t, server, [first, second])
  },
  title: (_, name) => `killed at ${name}, a leader leaves a state that the next one goes on from`,
})

for (const name of storeFailpoints) test.serial(killedAt, name)

test.serial('a leader that was paused past its lease cannot write when it wakes', async (t) => {
  const server = await etcdFor(t)
  const first = startWriter(t, { port: server.port })
  await first.until(someCommits(20))
  const second = startWriter(t, { port: server.port, id: 'writer-2' })
  await pauseProcess(first.pid)
  await second.until(someCommits(50))
  resumeProcess(first.pid)
  await first.until((said) => said.some(({ kind }) => kind === 'lost'))
  await second.until(someCommits(100))
  await first.stop()
  await second.stop()
  const { terms } = await checkAll(t, server, [first, second])
  t.true(terms.length >= 2)
})

test.serial(
  'leaders killed at random and answers cut at random leave no gap and nothing twice',
  async (t) => {
    const seed = Math.floor(systemRandom.next() * 2 ** 31)
    t.log({ seed })
    const random = seededRandom(seed)
    const server = await etcdFor(t)
    const proxy = await startCuttingProxy(server.port)
    t.teardown(proxy.close)
    const writers: WriterProcess[] = []
    for (let round = 0; round < 6; round += 1) {
      const current = [1, 2].map((index) =>
        startWriter(t, { port: proxy.port, id: `writer-${round}-${index}` }),
      )
      writers.push(...current)
      const enough = 10 + Math.floor(random.next() * 100)
      for (let cut = 0; cut < 3; cut += 1) await proxy.cutAnswerTo('spell/commit')
      await Promise.race(current.map((writer) => writer.until(someCommits(enough))))
      for (const writer of current) writer.kill()
      await Promise.all(current.map((writer) => writer.ended))
    }
    const last = startWriter(t, { port: server.port, id: 'writer-last' })
    await last.until(someCommits(10))
    await last.stop()
    const { terms } = await checkAll(t, server, [...writers, last])
    t.true(terms.length >= 7)
  },
)
