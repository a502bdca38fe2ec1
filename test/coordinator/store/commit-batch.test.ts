import test from 'ava'
import fc from 'fast-check'
import {
  operationsOf,
  takeBatch,
  type Unit,
  type WaitingUnit,
  whyTooBig,
} from '../../../coordinator/store/commit-batch.js'

const limits = { maxOperations: 6, maxBytes: 2000 }

function waiting(unit: Unit): WaitingUnit {
  const operations = operationsOf(unit)
  const bytes = operations.reduce((total, operation) => total + operation.bytes, 0)
  return { operations, bytes, addedAt: 0, resolve() {}, reject() {} }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g')
const arbitraryUnit = fc
  .uniqueArray(fc.record({ key, value: fc.option(fc.string({ maxLength: 200 }), { nil: undefined }) }), {
    selector: (operation) => operation.key,
    minLength: 1,
    maxLength: 5,
  })
  .map(
    (operations): Unit => ({
      puts: operations.flatMap(({ key, value }) => (value === undefined ? [] : [{ key, value }])),
      deletes: operations.flatMap(({ key, value }) => (value === undefined ? [key] : [])),
    }),
  )
  .filter((unit) => !whyTooBig(operationsOf(unit), limits))

test('batches hold whole units in order within the limits, and leave what one by one would have left', (t) => {
  const property = fc.property(fc.array(arbitraryUnit, { minLength: 1, maxLength: 30 }), (units) => {
    const queue = units.map(waiting)
    const oneByOne = new Map<string, string>()
    const batched = new Map<string, string>()
    for (let at = 0; at < queue.length; ) {
      const batch = takeBatch(queue, at, limits)
      t.deepEqual(batch.units, queue.slice(at, at + batch.units.length))
      t.true(batch.operations.size + 1 <= limits.maxOperations)
      t.true(batch.bytes <= limits.maxBytes)
      at += batch.units.length
      for (const unit of batch.units) apply(oneByOne, unit.operations)
      apply(batched, [...batch.operations.values()])
      t.deepEqual(Object.fromEntries([...batched].sort()), Object.fromEntries([...oneByOne].sort()))
    }
  })
  fc.assert(property)
})

test('a unit that names a key twice is a bug', (t) => {
  t.throws(() => operationsOf({ puts: [{ key: 'a', value: '' }], deletes: ['a'] }), {
    message: /names each key once/,
  })
})

function apply(state: Map<string, string>, operations: WaitingUnit['operations']): void {
  for (const { key, value } of operations) {
    if (value === undefined) state.delete(key)
    else state.set(key, value)
  }
}
