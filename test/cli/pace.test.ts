import test from 'ava'
import { Pace } from '../../cli/follow/pace.js'
import { FakeClock } from '../fakes/fake-clock.js'

const signal = new AbortController().signal
const start = Date.UTC(2020, 0, 1)

test('what came later is shown as much later, whatever showing it takes', async (t) => {
  const clock = new FakeClock()
  const pace = new Pace(clock)
  await pace.wait(0, signal)
  await pace.wait(start, signal)
  await clock.advance(400)
  let due = false
  const waiting = pace.wait(start + 1_000, signal).then(() => {
    due = true
  })
  await clock.advance(599)
  t.false(due)
  await clock.advance(1)
  await waiting
  await clock.advance(5_000)
  await pace.wait(start + 2_000, signal)
})

test('whoever leaves waits no longer', async (t) => {
  const clock = new FakeClock()
  const pace = new Pace(clock)
  const leaving = new AbortController()
  await pace.wait(start, leaving.signal)
  const waiting = pace.wait(start + 1_000, leaving.signal)
  leaving.abort(new Error('gone'))
  await t.throwsAsync(waiting, { message: 'gone' })
})
