import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { commitRecordFromValue } from '../../../coordinator/store/commit-record.js'
import { type Etcd, readKey } from '../../../coordinator/store/etcd.js'
import { type CuttingProxy, startCuttingProxy } from '../../fixtures/cutting-proxy.js'
import { type EtcdFixture, startEtcd } from '../../fixtures/etcd.js'
import { type CandidateOptions, type Led, makeCandidate } from '../../fixtures/leader.js'

interface Setting extends Led {
  readonly server: EtcdFixture
  readonly proxy: CuttingProxy
  /** Past the proxy. */
  readonly direct: Etcd
}

async function leader(t: ExecutionContext, options: CandidateOptions = {}): Promise<Setting> {
  const server = await startEtcd()
  t.teardown(server.stop)
  const proxy = await startCuttingProxy(server.port)
  t.teardown(proxy.close)
  const candidate = makeCandidate(server.connect({ ports: [proxy.port] }), {
    leaseTtlSeconds: 10,
    ...options,
  })
  t.teardown(candidate.stop)
  const led = await candidate.lead()
  t.teardown(() => led.leadership.lose('the test is over'))
  return { ...led, server, proxy, direct: server.connect() }
}

async function commitNumber(etcd: Etcd): Promise<number> {
  const { entry } = await readKey(etcd, 'spell/commit')
  return commitRecordFromValue(entry?.value).number
}

const put = (key: string, value = '') => ({ puts: [{ key, value }] })

test('what is added in one turn is one transaction, with the newest value of each key', async (t) => {
  const { queue, direct } = await leader(t)
  const done = [queue.add(put('a', '1')), queue.add({ puts: [{ key: 'b', value: '1' }], deletes: ['c'] })]
  done.push(queue.add(put('a', '2')))
  await Promise.all(done)
  t.is((await readKey(direct, 'a')).entry?.value, '2')
  t.is(await commitNumber(direct), 1)
  t.like(queue.stats(), { transactions: 1, units: 3, operations: 4, waitingUnits: 0, waitingBytes: 0 })
  await queue.add({ deletes: ['a'] })
  t.is((await readKey(direct, 'a')).entry, undefined)
  t.is(await commitNumber(direct), 2)
})

test('a unit is done when etcd has it, and flushed waits for all', async (t) => {
  const { queue, direct } = await leader(t, { queue: { maxOperations: 3 } })
  await queue.flushed()
  const checks = Array.from({ length: 20 }, async (_, count) => {
    await queue.add(put(`key/${count}`))
    t.truthy((await readKey(direct, `key/${count}`)).entry)
  })
  await queue.flushed()
  t.is(queue.stats().transactions, 10)
  t.is((await direct.range({ prefix: 'key/', limit: 100 })).entries.length, 20)
  await Promise.all(checks)
})

test('flushed says nothing of what the end of leadership has left uncommitted', async (t) => {
  const { queue, leadership } = await leader(t)
  const lost = t.throwsAsync(queue.add(put('a')), { code: 'UNAVAILABLE' })
  leadership.lose('the test wants it')
  await lost
  await t.throwsAsync(queue.flushed(), { code: 'UNAVAILABLE' })
})

test('a unit that fits no transaction is refused with the limit, and the queue goes on', async (t) => {
  const { queue } = await leader(t, { queue: { maxOperations: 3, maxBytes: 4000 } })
  await t.throwsAsync(queue.add({ deletes: ['a', 'b', 'c'] }), {
    code: 'INVALID_ARGUMENT',
    message: /3 records at once; 2 is the most/,
  })
  await t.throwsAsync(queue.add(put('a', 'x'.repeat(3000))), { message: /bytes in one transaction/ })
  await t.notThrowsAsync(queue.add(put('a')))
})

test('when too much waits there is no room; at twice that nothing is taken', async (t) => {
  const { queue, proxy } = await leader(t, { queue: { maxWaitingUnits: 2 } })
  proxy.refuse()
  t.true(queue.hasRoom())
  const taken = Array.from({ length: 4 }, (_, index) => queue.add(put(`k${index}`)))
  t.false(queue.hasRoom())
  await t.throwsAsync(queue.add(put('k5')), { code: 'RESOURCE_EXHAUSTED' })
  proxy.accept()
  await Promise.all(taken)
  t.true(queue.hasRoom())
})

test('an answer that is lost after the commit is found out: nothing twice, no number left out', async (t) => {
  const { queue, proxy, direct } = await leader(t)
  for (let round = 1; round <= 5; round += 1) {
    const cut = proxy.cutAnswerTo('spell/commit')
    const added = [queue.add(put(`once/${round}/a`)), queue.add(put(`once/${round}/b`))]
    await Promise.all([cut, ...added])
    t.is(await commitNumber(direct), round)
  }
  t.is(queue.stats().unknownOutcomes, 5)
  const { entries } = await direct.range({ prefix: 'once/', limit: 100 })
  t.is(entries.length, 10)
  t.true(entries.every(({ createRevision, modRevision }) => createRevision === modRevision))
})

test('a transaction that arrives a second time, later, changes nothing', async (t) => {
  const server = await startEtcd()
  t.teardown(server.stop)
  const etcd = server.connect()
  const repeating: Etcd = {
    ...etcd,
    async transact(transaction, callOptions) {
      const answer = await etcd.transact(transaction, callOptions)
      if (transaction.puts) await etcd.transact(transaction, callOptions)
      return answer
    },
  }
  const candidate = makeCandidate(repeating, { leaseTtlSeconds: 10 })
  t.teardown(candidate.stop)
  const { queue, leadership } = await candidate.lead()
  for (let count = 0; count < 3; count += 1) await queue.add(put(`twice/${count}`))
  t.is(await commitNumber(etcd), 3)
  const { entries } = await etcd.range({ prefix: 'twice/', limit: 10 })
  t.true(entries.every(({ createRevision, modRevision }) => createRevision === modRevision))
  await leadership.resign()
})

test('a request that never arrived is sent again', async (t) => {
  const { queue, leadership, proxy, direct } = await leader(t)
  proxy.refuse()
  const added = queue.add(put('late'))
  while (queue.stats().unknownOutcomes === 0) {
    leadership.assertLeading()
    await turn()
  }
  proxy.accept()
  await added
  t.is(await commitNumber(direct), 1)
})

test('etcd is killed and started again under load, and every unit is there once', async (t) => {
  const { queue, server } = await leader(t, { leaseTtlSeconds: 30 })
  const added: Promise<void>[] = []
  for (let round = 0; round < 3; round += 1) {
    for (let count = 0; count < 500; count += 1) added.push(queue.add(put(`load/${round}/${count}`)))
    await added[round * 500 + 100]
    await server.restart()
  }
  await Promise.all(added)
  const direct = server.connect()
  const { entries } = await direct.range({ prefix: 'load/', limit: 2000 })
  t.is(entries.length, 1500)
  t.true(entries.every(({ createRevision, modRevision }) => createRevision === modRevision))
  t.is(await commitNumber(direct), queue.stats().transactions)
})

test('nothing is written once another holds the election key, and all that waits is told', async (t) => {
  const { queue, leadership, direct } = await leader(t)
  await queue.add(put('mine'))
  await direct.transact({ compares: [], deletes: ['spell/leader'] })
  await direct.transact({ compares: [], puts: [{ key: 'spell/leader', value: otherLeader }] })
  const late = [queue.add(put('late')), queue.add(put('later'))]
  for (const each of late) await t.throwsAsync(each, { code: 'UNAVAILABLE' })
  t.true(leadership.signal.aborted)
  t.is((await readKey(direct, 'late')).entry, undefined)
  await t.throwsAsync(queue.add(put('after')), { code: 'UNAVAILABLE' })
})

test('a commit record that somebody else has moved ends the term', async (t) => {
  const { queue, leadership, direct } = await leader(t)
  await queue.add(put('mine'))
  const value = JSON.stringify({ v: 1, term: 1, number: 7 })
  await direct.transact({ compares: [], puts: [{ key: 'spell/commit', value }] })
  await t.throwsAsync(queue.add(put('late')), { code: 'UNAVAILABLE', message: /has written since/ })
  t.true(leadership.signal.aborted)
})

test('what etcd refuses to store ends the term and says why', async (t) => {
  const { queue } = await leader(t)
  const leased = { key: 'leased', value: '', leaseId: '7587848943239472401' }
  await t.throwsAsync(queue.add({ puts: [leased] }), { message: /lease not found/ })
})

test('while the outcome is unknown nobody is told, and with the term all is', async (t) => {
  const { queue, proxy, leadership } = await leader(t, { leaseTtlSeconds: 1 })
  proxy.refuse()
  const added = queue.add(put('unknown'))
  let told = false
  void added.catch(() => {}).then(() => (told = true))
  while (leadership.isLeading()) {
    t.false(told)
    await turn()
  }
  await t.throwsAsync(added, { code: 'UNAVAILABLE' })
})

test('the next leader goes on with the next number', async (t) => {
  const { queue, leadership, direct } = await leader(t)
  await queue.add(put('one'))
  await leadership.resign()
  const next = makeCandidate(direct, { id: 'coordinator-2' })
  t.teardown(next.stop)
  const led = await next.lead()
  t.truthy(led.entries.get('spell/commit'))
  await led.queue.add(put('two'))
  const { entry } = await readKey(direct, 'spell/commit')
  t.deepEqual(commitRecordFromValue(entry?.value), { term: 2, number: 2 })
  await led.leadership.resign()
})

const otherLeader = JSON.stringify({
  v: 1,
  id: 'coordinator-9',
  userAddress: '-',
  agentAddress: '-',
  term: 9,
})
