import test from 'ava'
import { RpcError, type StatusName } from '../../common/errors.js'
import { seededRandom } from '../../common/random.js'
import { isUnavailable, mayPass, type RetryOptions, retry } from '../../node-agent/retry.js'
import { FakeClock } from '../fakes/fake-clock.js'

const minuteMs = 60_000

function trying(options: Partial<RetryOptions>, code: StatusName) {
  const clock = new FakeClock()
  const state = { away: true, tries: 0, said: [] as string[], outcome: 'none yet' }
  const action = async () => {
    state.tries += 1
    if (state.away) throw new RpcError(code, 'The store is away.')
  }
  const complete: RetryOptions = {
    backoff: { firstMs: 500, maxMs: 30_000 },
    giveUpAfterMs: 15 * minuteMs,
    signal: new AbortController().signal,
    worthwhile: isUnavailable,
    onWait: (error) => state.said.push(String(error)),
    ...options,
  }
  retry(action, complete, { clock, random: seededRandom(1) }).then(
    () => {
      state.outcome = 'done'
    },
    (error: unknown) => {
      state.outcome = error instanceof RpcError ? error.code : 'something else'
    },
  )
  return { clock, state }
}

test('what is away for almost fifteen minutes is waited for by the default, and said once', async (t) => {
  const { clock, state } = trying({}, 'UNAVAILABLE')
  await clock.advance(14 * minuteMs)
  t.is(state.outcome, 'none yet')
  state.away = false
  await clock.advance(minuteMs)
  t.is(state.outcome, 'done')
  t.is(state.said.length, 1)
})

test('what is away for longer is given up', async (t) => {
  const { clock, state } = trying({}, 'UNAVAILABLE')
  await clock.advance(16 * minuteMs)
  t.is(state.outcome, 'UNAVAILABLE')
})

const never = Number.POSITIVE_INFINITY

for (const code of ['UNAVAILABLE', 'ABORTED', 'RESOURCE_EXHAUSTED', 'INTERNAL', 'DATA_LOSS'] as const)
  test(`outputs wait through a day of ${code}`, async (t) => {
    const { clock, state } = trying({ giveUpAfterMs: never, worthwhile: mayPass }, code)
    await clock.advance(24 * 60 * minuteMs)
    t.is(state.outcome, 'none yet')
    state.away = false
    await clock.advance(minuteMs)
    t.is(state.outcome, 'done')
  })

for (const code of ['FAILED_PRECONDITION', 'ALREADY_EXISTS', 'INVALID_ARGUMENT'] as const)
  test(`outputs do not wait when they are refused for good: ${code}`, async (t) => {
    const { clock, state } = trying({ giveUpAfterMs: never, worthwhile: mayPass }, code)
    await clock.advance(0)
    t.is(state.outcome, code)
    t.is(state.tries, 1)
  })

test('outputs wait while the disk of the node is in trouble, and not for a bug', (t) => {
  for (const code of ['EMFILE', 'ENOMEM', 'EIO', 'ESTALE'])
    t.true(mayPass(Object.assign(new Error('no'), { code })), code)
  t.false(mayPass(new TypeError('x is not a function')))
  t.false(mayPass(Object.assign(new TypeError('no'), { code: 'ERR_INVALID_ARG_TYPE' })))
})
