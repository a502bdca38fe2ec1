import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { RemoteStore } from '../../../coordinator/home/remote-store.js'
import { markDirectoryStore } from '../../../spellfs/store-mark.js'
import {
  type OpenedStore,
  type OpenOptions,
  objectStoreContract,
  read,
  refused,
} from '../../contracts/object-store-contract.js'
import { startHome } from '../../fixtures/home.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

for (const [title, check] of Object.entries(objectStoreContract)) test(title, (t) => check(t, openRemote))

test('a home that is away is UNAVAILABLE with a sentence that names it, and back when it is', async (t) => {
  const { store, home } = await makeHome(t)
  await store.put('x', Buffer.from('x'))
  await home.stop()
  const actions = [
    () => store.put('x', Buffer.from('y')),
    () => store.put('x', endless()),
    () => store.stage('runs/1/x', Buffer.from('y')),
    () => read(store, 'x'),
    () => store.head('x'),
    () => store.list('runs', { limit: 1 }),
    () => store.delete('x'),
    () => store.deleteAll('runs'),
    () => store.settle('runs/1'),
  ]
  for (const action of actions) {
    const error = await refused(t, action(), 'UNAVAILABLE')
    t.regex(
      error?.message ?? '',
      /^The store is away: its home, the coordinator alpha \(.*\), does not answer: .+\.$/,
    )
  }
  t.is(home.failures(), actions.length)
  await home.restart()
  for (;;) {
    const found = await read(store, 'x').catch(() => undefined)
    if (found) return t.is(found.toString(), 'x')
  }
})

test('what the home itself finds away is said with its own reason', async (t) => {
  const { store, directory } = await makeHome(t)
  await rename(directory, `${directory}-away`)
  const error = await refused(t, store.head('x'), 'UNAVAILABLE')
  t.regex(
    error?.message ?? '',
    /^The store is away: its home, the coordinator alpha \(.*\), says: The store at .* is away/,
  )
})

test('a home that was started anew while files were staged settles none of them', async (t) => {
  const { store, home } = await makeHome(t)
  await store.stage('runs/1/a', Buffer.from('a'))
  await store.stage('runs/2/a', Buffer.from('a'))
  await home.restart()
  while (!(await store.stage('runs/1/b', Buffer.from('b')).catch(() => undefined)));
  const error = await refused(t, store.settle('runs/1'), 'UNAVAILABLE')
  t.regex(
    error?.message ?? '',
    /started anew while files were being stored below runs\/1: they have to be sent again/,
  )
  await store.deleteAll('runs/1')
  await store.stage('runs/1/a', Buffer.from('a'))
  await store.settle('runs/1')
  t.is((await read(store, 'runs/1/a')).toString(), 'a')
})

test('a leader that was deposed changes nothing once its successor was heard', async (t) => {
  const { home } = await makeHome(t)
  const old = home.remote({ generation: 'g', term: 4 }).store
  const successor = home.remote({ generation: 'g', term: 5 }).store
  await old.put('x', Buffer.from('old'))
  await old.stage('runs/1/a', Buffer.from('old'))
  async function* slow() {
    yield Buffer.from('half')
    await successor.put('x', Buffer.from('new'))
    yield Buffer.from('half')
  }
  // What it began before is not taken either.
  const error = await refused(t, old.put('x', slow()), 'UNAVAILABLE')
  t.regex(error?.message ?? '', /The term 4 is over: another coordinator leads by now\.$/)
  for (const action of [
    old.put('x', Buffer.from('late')),
    old.stage('runs/1/b', Buffer.from('late')),
    old.delete('x'),
    old.deleteAll('runs/1'),
  ])
    await refused(t, action, 'UNAVAILABLE')
  t.is((await read(successor, 'x')).toString(), 'new')
  t.is((await read(old, 'runs/1/a')).toString(), 'old')
  // A restored cluster counts its terms anew.
  await home.remote({ generation: 'h', term: 1 }).store.put('x', Buffer.from('restored'))
})

test("only coordinators are answered, and only a home whose certificate is that coordinator's is asked", async (t) => {
  const { home, store } = await makeHome(t)
  await store.put('x', Buffer.from('x'))
  const leader = () => ({ generation: 'g', term: 1 })
  for (const name of ['node:gpu-1', 'user:ada', 'etcd:a']) {
    const asked = new RemoteStore(home.channel(await home.certificate(name)), leader)
    for (const action of [asked.put('x', Buffer.from('y')), read(asked, 'x'), asked.deleteAll('runs')]) {
      const error = await refused(t, action, 'UNAVAILABLE')
      t.regex(error?.message ?? '', /says: Only coordinators may call this/)
    }
  }
  const beta = await home.certificate('coordinator:beta')
  const mistaken = new RemoteStore(home.channel(beta, 'gamma'), leader)
  const error = await refused(t, read(mistaken, 'x'), 'UNAVAILABLE')
  t.regex(
    error?.message ?? '',
    /certificate shown is that of coordinator:alpha, not that of coordinator:gamma/,
  )
  t.is((await read(store, 'x')).toString(), 'x')
})

async function* endless(): AsyncIterable<Buffer> {
  for (;;) yield Buffer.alloc(70_000)
}

async function makeHome(t: ExecutionContext, options: OpenOptions = {}) {
  const directory = options.directory ?? join(await temporaryFolder(t), 'store')
  await markDirectoryStore(directory, 'test')
  const clock = { ...systemClock, ...(options.monotonic && { monotonic: options.monotonic }) }
  const home = await startHome(t, { directory, clock })
  return { home, directory, store: home.remote().store }
}

async function openRemote(t: ExecutionContext, options: OpenOptions = {}): Promise<OpenedStore> {
  const { home, directory, store } = await makeHome(t, options)
  return { store, directory, other: home.remote().store }
}
