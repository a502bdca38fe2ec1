import test from 'ava'
import { EtcdError } from '../../../coordinator/store/etcd.js'
import { loadPrefix } from '../../../coordinator/store/load.js'
import { startCuttingProxy } from '../../fixtures/cutting-proxy.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { pauseProcess } from '../../fixtures/pause.js'

let server: EtcdFixture
test.before(async () => {
  server = await startEtcd()
})
test.after.always(() => server?.stop())

test('a transaction puts, deletes and reads when every compare holds, and reads something else when not', async (t) => {
  const etcd = server.connect()
  const first = await etcd.transact({
    compares: [{ kind: 'createRevision', key: 'a/1', equals: 0 }],
    puts: [
      { key: 'a/1', value: 'ä € 😀' },
      { key: 'a/2', value: '' },
    ],
    reads: ['a/1', 'a/none'],
  })
  t.true(first.succeeded)
  t.like(first.entries[0], { key: 'a/1', value: 'ä € 😀', createRevision: first.revision })
  t.is(first.entries[1], undefined)
  const second = await etcd.transact({
    compares: [{ kind: 'createRevision', key: 'a/1', equals: 0 }],
    deletes: ['a/1'],
    readsInstead: ['a/2'],
  })
  t.false(second.succeeded)
  t.like(second.entries, { 0: { key: 'a/2', value: '' }, length: 1 })
  const third = await etcd.transact({
    compares: [{ kind: 'value', key: 'a/1', equals: 'ä € 😀' }],
    deletes: ['a/1'],
    reads: ['a/1'],
  })
  t.true(third.succeeded)
  t.deepEqual(third.entries, [undefined])
})

test('a range is read page by page at one revision, and no key of another prefix is in it', async (t) => {
  const etcd = server.connect()
  const names = Array.from({ length: 2500 }, (_, index) => `page/${String(index).padStart(5, '0')}`)
  for (let at = 0; at < names.length; at += 100) {
    const puts = names.slice(at, at + 100).map((key) => ({ key, value: key }))
    await etcd.transact({ compares: [], puts })
  }
  await etcd.transact({ compares: [], puts: [{ key: 'page0', value: 'another prefix' }] })
  const seen: string[] = []
  const revision = await loadPrefix(etcd, 'page/', ({ key, value }) => {
    t.is(value, key)
    seen.push(key)
  })
  t.deepEqual(seen, names)
  t.true(revision > 0)
  const page = await etcd.range({ prefix: 'page/', limit: 10 })
  await etcd.transact({ compares: [], deletes: ['page/00011'] })
  const old = await etcd.range({
    prefix: 'page/',
    from: page.next ?? '',
    limit: 2,
    revision: page.revision,
  })
  t.deepEqual(
    old.entries.map(({ key }) => key),
    ['page/00010', 'page/00011'],
  )
})

test('a key lives as long as its lease, and a renewal of a lease that is gone says 0', async (t) => {
  const etcd = server.connect()
  const { leaseId, ttlSeconds } = await etcd.grantLease(60)
  t.is(ttlSeconds, 60)
  await etcd.transact({ compares: [], puts: [{ key: 'leased', value: 'x', leaseId }] })
  const read = await etcd.transact({ compares: [], reads: ['leased'] })
  t.is(read.entries[0]?.leaseId, leaseId)
  t.is(await etcd.keepLeaseAlive(leaseId), 60)
  await etcd.revokeLease(leaseId)
  await etcd.revokeLease(leaseId)
  t.is(await etcd.keepLeaseAlive(leaseId), 0)
  t.deepEqual((await etcd.transact({ compares: [], reads: ['leased'] })).entries, [undefined])
})

test('a watch wakes at its beginning, at a change, and after a break', async (t) => {
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const etcd = server.connect({ ports: [proxy.port] })
  const wakes = new Wakes()
  const watch = etcd.watch('watched', () => wakes.count())
  t.teardown(() => watch.stop())
  await wakes.next()
  await etcd.transact({ compares: [], puts: [{ key: 'watched', value: '1' }] })
  await wakes.next()
  proxy.cutAll()
  await wakes.next()
  t.pass()
})

test('what etcd refuses has not happened; what was cut off is unknown', async (t) => {
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const etcd = server.connect({ ports: [proxy.port] })
  const twice = { key: 'twice', value: '' }
  const refused = await t.throwsAsync(etcd.transact({ compares: [], puts: [twice, twice] }), {
    instanceOf: EtcdError,
  })
  t.is(refused?.outcome, 'refused')
  const noLease = { key: 'no-lease', value: '', leaseId: '7587848943239472401' }
  const unleased = await t.throwsAsync(etcd.transact({ compares: [], puts: [noLease] }), {
    instanceOf: EtcdError,
  })
  t.is(unleased?.outcome, 'refused')
  const cut = proxy.cutAnswerTo('cut-off')
  const unknown = await t.throwsAsync(
    etcd.transact({ compares: [], puts: [{ key: 'cut-off', value: 'here' }] }),
    { instanceOf: EtcdError },
  )
  await cut
  t.is(unknown?.outcome, 'unknown')
  const { entries } = await etcd.transact({ compares: [], reads: ['cut-off'] })
  t.is(entries[0]?.value, 'here')
})

test('a call to a server that is away ends by its deadline', async (t) => {
  const away = await startEtcd()
  t.teardown(away.stop)
  const etcd = away.connect({ callTimeoutMs: 3_000 })
  await etcd.status()
  await pauseProcess(away.pid())
  const stopped = await t.throwsAsync(etcd.status(), { instanceOf: EtcdError })
  t.is(stopped?.outcome, 'unknown')
})

test('a client with two endpoints goes on to the other when one fails', async (t) => {
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const etcd = server.connect({ ports: [proxy.port, server.port] })
  await etcd.status()
  proxy.refuse()
  await t.throwsAsync(etcd.status(), { instanceOf: EtcdError })
  await t.notThrowsAsync(etcd.status())
})

test('history is compacted up to a revision, once or twice, and the file can be defragmented', async (t) => {
  const own = await startEtcd()
  t.teardown(own.stop)
  const etcd = own.connect()
  for (let count = 0; count < 3; count += 1) {
    await etcd.transact({ compares: [], puts: [{ key: 'k', value: String(count) }] })
  }
  const { revision, fileBytes, usedBytes, version } = await etcd.status()
  t.true(fileBytes >= usedBytes && usedBytes > 0)
  t.regex(version, /^3\./)
  await etcd.compact(revision)
  await etcd.compact(revision)
  const old = await t.throwsAsync(etcd.range({ prefix: 'k', limit: 1, revision: revision - 1 }), {
    instanceOf: EtcdError,
  })
  t.is(old?.outcome, 'refused')
  await etcd.defragment()
  t.is((await etcd.range({ prefix: 'k', limit: 1 })).entries[0]?.value, '2')
})

test('over TLS a client needs a certificate of the authority', async (t) => {
  const secure = await startEtcd({ tls: true })
  t.teardown(secure.stop)
  const etcd = secure.connect()
  t.true((await etcd.transact({ compares: [], puts: [{ key: 'k', value: 'v' }] })).succeeded)
  const stranger = await startEtcd({ tls: true })
  t.teardown(stranger.stop)
  const other = stranger.connect({ ports: [secure.port], callTimeoutMs: 1000 })
  await t.throwsAsync(other.status(), { instanceOf: EtcdError })
})

/** Counts wakes; `next` waits for one later than the last that was waited for. */
class Wakes {
  #count = 0
  #taken = 0
  #waiting: (() => void) | undefined

  count(): void {
    this.#count += 1
    this.#waiting?.()
  }

  async next(): Promise<void> {
    if (this.#count <= this.#taken) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve
      })
    }
    this.#taken = this.#count
  }
}
