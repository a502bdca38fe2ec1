import test from 'ava'
import { reportFailures } from '../../coordinator/metered.js'

const working = {
  name: 'store',
  answer: async () => 1,
  async *items() {
    yield 1
    yield 2
  },
}
const broken = {
  ...working,
  answer: () => Promise.reject(new Error('no answer')),
  async *items() {
    yield 1
    throw new Error('cut')
  },
}

test('what fails in answers and in the middle of streams is told of, and fails as before', async (t) => {
  const told: unknown[] = []
  const reported = reportFailures(broken, (error) => told.push(error))
  await t.throwsAsync(reported.answer(), { message: 'no answer' })
  const seen: number[] = []
  await t.throwsAsync(
    async () => {
      for await (const item of reported.items()) seen.push(item)
    },
    { message: 'cut' },
  )
  t.deepEqual(seen, [1])
  t.deepEqual(
    told.map((error) => (error as Error).message),
    ['no answer', 'cut'],
  )
})

test('what works, and what is left early, is not told of', async (t) => {
  const reported = reportFailures(working, (error) => t.fail(String(error)))
  t.is(await reported.answer(), 1)
  t.is(reported.name, 'store')
  for await (const item of reported.items()) {
    t.is(item, 1)
    break
  }
})
