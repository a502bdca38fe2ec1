import { setImmediate as turn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../../common/clock.js'
import { silentLog } from '../../../common/log.js'
import { Compaction, defaultCompactionSettings } from '../../../coordinator/store/compaction.js'
import { type Etcd, EtcdError } from '../../../coordinator/store/etcd.js'
import { startEtcd } from '../../fixtures/etcd.js'
import { type Led, makeCandidate } from '../../fixtures/leader.js'

interface Written {
  bytes: number
}

function compactionOf(etcd: Etcd, written: Written, quotaBytes: number): Compaction {
  const settings = { ...defaultCompactionSettings, quotaBytes, everyBytes: 1000 }
  return new Compaction(settings, {
    etcd,
    clock: systemClock,
    log: silentLog,
    signal: new AbortController().signal,
    writtenBytes: () => written.bytes,
  })
}

async function put(etcd: Etcd, value: string): Promise<number> {
  return (await etcd.transact({ compares: [], puts: [{ key: 'k', value }] })).revision
}

async function readable(t: ExecutionContext, etcd: Etcd, revision: number, expected: boolean) {
  const read = etcd.range({ prefix: 'k', limit: 1, revision })
  if (expected) await t.notThrowsAsync(read)
  else await t.throwsAsync(read, { instanceOf: EtcdError, message: /compacted/ })
}

test('what was written before the last check is forgotten once enough was written since', async (t) => {
  const server = await startEtcd()
  t.teardown(server.stop)
  const etcd = server.connect()
  const written = { bytes: 0 }
  const compaction = compactionOf(etcd, written, 2 ** 30)
  t.is(compaction.usage(), undefined)
  const first = await put(etcd, '1')
  await put(etcd, '2')
  await compaction.check()
  const later = await put(etcd, '3')
  await compaction.check()
  await readable(t, etcd, first, true)
  written.bytes = 1000
  await put(etcd, '4')
  await compaction.check()
  await readable(t, etcd, first, false)
  await readable(t, etcd, later, true)
  const usage = compaction.usage()
  t.true(usage && usage.usedBytes > 0 && usage.usedShare < 0.01)
})

test('a database over its quota makes space, and the commit that waited for it is done once', async (t) => {
  const quotaBytes = 4 * 1024 * 1024
  const server = await startEtcd({ quotaBytes })
  t.teardown(server.stop)
  const etcd = server.connect()
  const candidate = makeCandidate(etcd, { leaseTtlSeconds: 30 })
  t.teardown(candidate.stop)
  const { queue, leadership } = await candidate.lead()
  const value = 'x'.repeat(200_000)
  while (queue.stats().unknownOutcomes === 0) {
    const added = queue.add({ puts: [{ key: 'k', value: `${queue.stats().transactions} ${value}` }] })
    await Promise.race([added, untilUnknown({ queue, leadership })])
  }
  t.true((await etcd.status()).outOfSpace)
  await compactionOf(etcd, { bytes: 0 }, quotaBytes).check()
  await queue.flushed()
  t.true(leadership.isLeading())
  t.false((await etcd.status()).outOfSpace)
  const { entries } = await etcd.range({ prefix: 'k', limit: 1 })
  t.is(entries[0]?.value, `${queue.stats().transactions - 1} ${value}`)
  await leadership.resign()
})

test('a database over its quota does not keep a coordinator from leading', async (t) => {
  const quotaBytes = 4 * 1024 * 1024
  const server = await startEtcd({ quotaBytes })
  t.teardown(server.stop)
  const etcd = server.connect()
  for (let round = 0; !(await etcd.status()).outOfSpace; round += 1)
    await put(etcd, `${round} ${'x'.repeat(200_000)}`).catch(() => undefined)
  await t.throwsAsync(etcd.grantLease(5), { instanceOf: EtcdError, message: /space/ })
  const candidate = makeCandidate(etcd, { quotaBytes })
  t.teardown(candidate.stop)
  const { leadership, queue } = await candidate.lead()
  await queue.add({ puts: [{ key: 'after', value: 'space was made' }] })
  t.true(leadership.isLeading())
  await leadership.resign()
})

async function untilUnknown({ queue, leadership }: Pick<Led, 'queue' | 'leadership'>): Promise<void> {
  while (queue.stats().unknownOutcomes === 0) {
    leadership.assertLeading()
    await turn()
  }
}
