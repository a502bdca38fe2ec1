import { setImmediate as turn } from 'node:timers/promises'
import test from 'ava'
import { startEtcd } from '../../fixtures/etcd.js'
import { makeCandidate } from '../../fixtures/leader.js'

test('a loop that is busy for half the time to live again and again keeps its lease, whatever its timers do', async (t) => {
  const server = await startEtcd()
  t.teardown(server.stop)
  const candidate = makeCandidate(server.connect(), { leaseTtlSeconds: 2 })
  t.teardown(candidate.stop)
  const { leadership, queue } = await candidate.lead()
  for (let round = 0; round < 4; round += 1) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)
    t.true(leadership.isLeading())
    await queue.add({ puts: [{ key: 'round', value: String(round) }] })
    await turn()
  }
  t.true(leadership.isLeading())
  await leadership.resign()
})
