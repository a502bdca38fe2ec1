import test from 'ava'
import { noFailpoints } from '../../../common/failpoint.js'
import { silentLog } from '../../../common/log.js'
import { LoadedState } from '../../../coordinator/leader/loaded-state.js'
import { makeTerm } from '../../../coordinator/leader/make-term.js'
import { forgetNode, isRemoved } from '../../../coordinator/leader/membership.js'
import type { Term } from '../../../coordinator/leader/term.js'
import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import { keys, World } from './harness.js'

/** A term over what the world's etcd holds. */
function termOf(world: World): Term {
  const loaded = new LoadedState(defaultLeaderSettings, { clock: world.clock, keys })
  for (const entry of world.queue.entries()) loaded.take(entry)
  const parts = {
    ...{ clock: world.clock, log: silentLog, failpoints: noFailpoints, queue: world.queue, keys, loaded },
    ...{ requestLeases: { current: () => 'lease-1' }, isLeading: () => true, stepDown: () => {} },
    ...{ etcdSize: () => ({ bytes: 0, quotaBytes: 1 }), coordinatorAddresses: () => [] },
    ...{ objects: world.objects, takeLines: () => {} },
  }
  return makeTerm({ ...defaultLeaderSettings, term: 1, generation: 'g', version: '1' }, parts, () => {})
}

test('a node that came with the cluster belongs to it until it is removed, and never again', async (t) => {
  const world = new World()
  const term = termOf(world)
  t.false(isRemoved(term.memory, 'node-1'))
  const { puts, deletes } = forgetNode(term, 'node-1')
  t.true(isRemoved(term.memory, 'node-1'))
  t.false(isRemoved(term.memory, 'node-2'))
  await term.writes.commit(puts, deletes)
  t.true(isRemoved(termOf(world).memory, 'node-1'), 'the next leader knows it too')
  t.deepEqual(forgetNode(term, 'node-1'), { puts: [], deletes: [] }, 'it is safe to repeat')
})

test('of nodes removed the oldest are forgotten when there are too many', async (t) => {
  const world = new World()
  const term = termOf(world)
  forgetNode(term, 'node-0')
  await world.clock.advance(1)
  for (let index = 1; index < 10_000; index++) forgetNode(term, `node-${index}`)
  t.deepEqual(forgetNode(term, 'one-more').deletes, [keys.membership('node:node-0')])
  t.false(isRemoved(term.memory, 'node-0'))
  t.true(isRemoved(term.memory, 'node-1'))
})
