import test from 'ava'
import { everything, submit, World } from './harness.js'

test('others get their turns while a list looks through many runs', async (t) => {
  const leader = new World().lead()
  await Promise.all(Array.from({ length: 1_000 }, () => submit(leader)))
  let turns = 0
  let counting = true
  const count = () => {
    turns += 1
    if (counting) setImmediate(count)
  }
  setImmediate(count)
  const { runs } = await leader.list({ ...everything, creator: 'nobody' })
  counting = false
  t.deepEqual(runs, [])
  t.true(turns >= 9, `${turns} turns`)
  leader.close()
})
