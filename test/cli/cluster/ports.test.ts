import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'ava'
import { choosePorts, loopback } from '../../../cli/cluster/ports.js'
import { seededRandom } from '../../../common/random.js'

test('ports are remembered, all different, and those that others took are replaced and named', async (t) => {
  const random = seededRandom(Date.now())
  const names = ['etcd.clients', 'coordinator-1.users', 'coordinator-1.agents']
  const first = await choosePorts(names, {}, new Set(), random)
  t.is(new Set(Object.values(first.ports)).size, 3)
  t.deepEqual(first.moved, [])

  const again = await choosePorts(names, first.ports, new Set(), random)
  t.deepEqual(again, first)

  const other = createServer()
  t.teardown(() => other.close())
  await once(other.listen(first.ports['etcd.clients'], loopback), 'listening')
  const port = (other.address() as AddressInfo).port
  const moved = await choosePorts(names, first.ports, new Set(), random)
  t.deepEqual(moved.moved, ['etcd.clients'])
  t.not(moved.ports['etcd.clients'], port)
  t.is(moved.ports['coordinator-1.users'], first.ports['coordinator-1.users'])

  const ours = await choosePorts(names, first.ports, new Set(['etcd.clients']), random)
  t.deepEqual(ours, first)
})
