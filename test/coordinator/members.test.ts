import test from 'ava'
import { silentLog } from '../../common/log.js'
import { Members } from '../../coordinator/members.js'
import { FakeClock } from '../fakes/fake-clock.js'
import { startEtcd } from '../fixtures/etcd.js'

test('coordinators of any version are on the list, and what is none is passed over', async (t) => {
  const etcd = await startEtcd()
  t.teardown(() => etcd.stop())
  const client = etcd.connect()
  const later = { id: 'later', userAddress: 'l:1', agentAddress: 'l:2' }
  const puts = [
    { key: 'spell/coordinator/later', value: JSON.stringify({ v: 2, ...later, records: 2, zone: 'b' }) },
    { key: 'spell/coordinator/odd', value: '{"v":1}' },
  ]
  await client.transact({ compares: [], puts })
  const self = { id: 'c1', userAddress: 'c:1', agentAddress: 'c:2' }
  const members = new Members(self, 'spell/', {
    etcd: client,
    clock: new FakeClock(),
    log: silentLog,
    recordVersion: 3,
  })
  t.is(members.recordVersions(), undefined, 'the list was not read yet')
  members.start()
  await members.stop()
  t.deepEqual(members.all(), [self, later])
  t.deepEqual(members.recordVersions(), [3, 2])
})
