import test from 'ava'
import fc from 'fast-check'
import { RunQueue } from '../../../coordinator/core/run-queue.js'

test('behaves as a sorted set of ids', (t) => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add'), id: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('delete'), id: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('take'), id: fc.constant(0) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new RunQueue()
      const ids = new Set<number>()
      for (const { kind, id } of steps) {
        const oldest = Math.min(...ids)
        const which = kind === 'take' && ids.size > 0 ? oldest : id
        if (kind === 'add') {
          queue.add(which)
          ids.add(which)
        } else t.is(queue.delete(which), ids.delete(which))
        const sorted = [...ids].sort((a, b) => a - b)
        t.is(queue.size, ids.size)
        t.is(queue.oldest, sorted[0])
        for (const [index, one] of sorted.entries()) t.is(queue.position(one), index + 1)
        t.is(queue.position(61), 0)
      }
      return true
    }),
    { numRuns: 100 },
  )
})

test('a long queue that is used up from its front stays small and right', (t) => {
  const queue = new RunQueue()
  for (let id = 1; id <= 10_000; id += 1) queue.add(id)
  for (let id = 1; id <= 9_000; id += 1) t.true(queue.delete(id))
  t.is(queue.oldest, 9_001)
  queue.add(5)
  t.is(queue.oldest, 5)
  t.is(queue.position(10_000), 1_001)
})
