import { once } from 'node:events'
import test, { type ExecutionContext } from 'ava'
import { type Clock, systemClock } from '../../../common/clock.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { silentLog } from '../../../common/log.js'
import { type Etcd, readKey } from '../../../coordinator/store/etcd.js'
import { Leadership } from '../../../coordinator/store/leadership.js'
import { startCuttingProxy } from '../../fixtures/cutting-proxy.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { type Candidate, type CandidateOptions, makeCandidate } from '../../fixtures/leader.js'

async function ownEtcd(t: ExecutionContext): Promise<EtcdFixture> {
  const server = await startEtcd()
  t.teardown(server.stop)
  return server
}

function candidate(t: ExecutionContext, etcd: Etcd, options: CandidateOptions = {}): Candidate {
  const made = makeCandidate(etcd, options)
  t.teardown(made.stop)
  return made
}

/** When a term ended, by the monotonic clock. */
async function endOf(leadership: Leadership): Promise<number> {
  if (!leadership.signal.aborted) await once(leadership.signal, 'abort')
  return systemClock.monotonic()
}

test('the first candidate of a new cluster leads in term 1, and followers learn its addresses', async (t) => {
  const server = await ownEtcd(t)
  const first = candidate(t, server.connect())
  const { leadership } = await first.lead()
  t.true(leadership.isLeading())
  t.is(leadership.term, 1)
  t.not(leadership.generation, '')
  const follower = candidate(t, server.connect(), { id: 'coordinator-2' })
  while (!follower.leaderWatch.current()) {
    await new Promise<void>((resolve) => follower.leaderWatch.onRead(() => resolve()))
  }
  t.deepEqual(follower.leaderWatch.current(), {
    id: 'coordinator-1',
    userAddress: 'coordinator-1:7000',
    agentAddress: 'coordinator-1:7001',
    term: 1,
    createRevision: leadership.createRevision,
  })
  await leadership.resign()
})

test('the next leads as soon as the first resigns, in a higher term of the same generation', async (t) => {
  const server = await ownEtcd(t)
  const first = await candidate(t, server.connect(), { leaseTtlSeconds: 30 }).lead()
  const winning = candidate(t, server.connect(), { id: 'coordinator-2' }).lead()
  const startedAt = systemClock.monotonic()
  await first.leadership.resign()
  const { leadership } = await winning
  t.true(systemClock.monotonic() - startedAt < 2000)
  t.false(first.leadership.isLeading())
  t.is(leadership.term, 2)
  t.is(leadership.generation, first.leadership.generation)
  await leadership.resign()
})

test('an etcd that was made from a backup begins a new generation, which says so until repaired', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  const generationOf = async (clusterId: string) => {
    const seen: Etcd = { ...etcd, status: async () => ({ ...(await etcd.status()), clusterId }) }
    const { leadership } = await candidate(t, seen).lead()
    await leadership.resign()
    return leadership.generation
  }
  const first = await generationOf('1')
  t.is(await generationOf('1'), first)
  t.is((await readKey(etcd, 'spell/restored')).entry, undefined)
  const second = await generationOf('2')
  t.not(second, first)
  t.is(await generationOf('2'), second)
  t.deepEqual(JSON.parse((await readKey(etcd, 'spell/restored')).entry?.value ?? ''), {
    v: 1,
    generation: second,
  })
})

test('a generation that was written by a version without the id of its etcd goes on', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  const value = JSON.stringify({ v: 1, id: 'old' })
  await etcd.transact({ compares: [], puts: [{ key: 'spell/generation', value }] })
  for (let round = 0; round < 2; round += 1) {
    const { leadership } = await candidate(t, etcd).lead()
    t.is(leadership.generation, 'old')
    await leadership.resign()
  }
  t.is((await readKey(etcd, 'spell/restored')).entry, undefined)
})

test('of many candidates one leads', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  const ids = Array.from({ length: 8 }, (_, index) => `coordinator-${index}`)
  const won: Leadership[] = []
  const all = ids.map(async (id) => {
    const { leadership } = await candidate(t, etcd, { id }).lead()
    t.true(won.every((earlier) => earlier.signal.aborted))
    won.push(leadership)
    await leadership.resign()
  })
  await Promise.all(all)
  t.deepEqual(
    won.map(({ term }) => term),
    [1, 2, 3, 4, 5, 6, 7, 8],
  )
})

test('a term lasts over many times to live while its lease is renewed', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  let renewals = 0
  let enough = () => {}
  const twoTerms = new Promise<void>((resolve) => {
    enough = resolve
  })
  const counting: Etcd = {
    ...etcd,
    async keepLeaseAlive(leaseId, options) {
      const ttlSeconds = await etcd.keepLeaseAlive(leaseId, options)
      renewals += 1
      if (renewals === 12) enough()
      return ttlSeconds
    },
  }
  const { leadership } = await candidate(t, counting, { leaseTtlSeconds: 1 }).lead()
  await twoTerms
  t.true(leadership.isLeading())
  await leadership.resign()
})

test('a term ends when the election key is deleted', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  const { leadership } = await candidate(t, etcd, { leaseTtlSeconds: 30 }).lead()
  await etcd.transact({ compares: [], deletes: ['spell/leader'] })
  await endOf(leadership)
  t.regex(String(leadership.signal.reason), /its election key is gone/)
})

test('a leader that etcd does not hear stops before the next one leads', async (t) => {
  const server = await ownEtcd(t)
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const first = await candidate(t, server.connect({ ports: [proxy.port] }), { leaseTtlSeconds: 3 }).lead()
  const winning = candidate(t, server.connect(), { id: 'coordinator-2' }).lead()
  proxy.refuse()
  const endedAt = await endOf(first.leadership)
  const { leadership } = await winning
  t.true(endedAt <= systemClock.monotonic())
  t.true(first.leadership.signal.aborted)
  t.is(leadership.term, 2)
  await leadership.resign()
})

test('while etcd is away longer than the lease nobody leads; after its return somebody does', async (t) => {
  const server = await ownEtcd(t)
  const only = candidate(t, server.connect({ callTimeoutMs: 300 }), { leaseTtlSeconds: 1 })
  const first = await only.lead()
  await first.queue.add({ puts: [{ key: 'spell/kept', value: '1' }] })
  await server.kill()
  const lost = first.queue.add({ puts: [{ key: 'spell/lost', value: '1' }] })
  await endOf(first.leadership)
  await t.throwsAsync(lost, { code: 'UNAVAILABLE' })
  const winning = only.lead()
  await server.restart()
  const second = await winning
  t.is(second.leadership.term, 2)
  t.is(second.entries.get('spell/kept')?.value, '1')
  t.is(second.entries.get('spell/lost'), undefined)
  await second.leadership.resign()
})

test('a candidate whose winning transaction was not answered finds its key and leads', async (t) => {
  const server = await ownEtcd(t)
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const cut = proxy.cutAnswerTo('userAddress')
  const { leadership } = await candidate(t, server.connect({ ports: [proxy.port] })).lead()
  await cut
  t.is(leadership.term, 1)
  const { entry } = await readKey(server.connect(), 'spell/leader')
  t.is(entry?.createRevision, leadership.createRevision)
  await leadership.resign()
})

test('lateness shows on the clock at once, though no timer has run', async (t) => {
  const server = await ownEtcd(t)
  const etcd = server.connect()
  let lateMs = 0
  const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + lateMs }
  const { leaseId } = await etcd.grantLease(5)
  const parts = { etcd, clock, log: silentLog, failpoints: noFailpoints }
  const won = { term: 1, generation: 'g', leaseId, createRevision: 1 }
  const leadership = new Leadership(won, { ttlMs: 5000 }, parts, clock.monotonic())
  t.true(leadership.isLeading())
  lateMs = 5000
  t.false(leadership.isLeading())
  lateMs = 0
  t.false(leadership.isLeading())
  t.throws(() => leadership.assertLeading(), { code: 'UNAVAILABLE' })
})

test('a campaign ends with its signal', async (t) => {
  const server = await ownEtcd(t)
  const first = await candidate(t, server.connect()).lead()
  const controller = new AbortController()
  const campaigning = candidate(t, server.connect(), { id: 'coordinator-2' }).lead(controller.signal)
  controller.abort(new Error('shutting down'))
  await t.throwsAsync(campaigning, { message: 'shutting down' })
  await first.leadership.resign()
})
