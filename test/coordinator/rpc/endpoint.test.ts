import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import anyTest, { type TestFn } from 'ava'
import { RpcError } from '../../../common/errors.js'
import { type Log, silentLog } from '../../../common/log.js'
import { clientStream, type Handlers, serverStream, unary } from '../../../coordinator/rpc/call.js'
import type { Leading } from '../../../coordinator/rpc/leading.js'
import type { UserCall } from '../../../coordinator/rpc/user-call.js'
import { maxMessageBytes } from '../../../proto/channel.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { HasObjectResponse__Output } from '../../../proto/gen/spell/v1/HasObjectResponse.js'
import type { ObjectPart__Output } from '../../../proto/gen/spell/v1/ObjectPart.js'
import type { User__Output } from '../../../proto/gen/spell/v1/User.js'
import { type Method, method } from '../../../proto/wire.js'
import { type TestAuthority, testAuthority } from './certificates.js'
import { startPair, startToy, type Toy, toyLeader } from './toy.js'

const test = anyTest as TestFn<{ authority: TestAuthority }>

const whoAmI: Method<unknown, User__Output> = method('Account', 'WhoAmI')
const follow: Method<unknown, FollowEvent__Output> = method('Runs', 'Follow')
const putObject: Method<ObjectPart__Output, HasObjectResponse__Output> = method('Files', 'PutObject')

const answers: Handlers<UserCall> = {
  'Account/WhoAmI': unary<unknown, UserCall>(async (_, { user }) => user),
}

test.before(async (t) => {
  t.context = { authority: await testAuthority() }
})

/** Every behaviour of a call is the same on the leader and through a coordinator that forwards. */
const onBoth = test.macro({
  exec: async (
    t,
    handlers: Handlers<UserCall>,
    check: (t: Parameters<typeof onBothCheck>[0], toy: Toy) => Promise<void>,
  ) => {
    const pair = await startPair(t.context.authority, handlers)
    t.teardown(pair.close)
    await check(t, pair.leader)
    await check(t, pair.follower)
  },
  title: (title) => `${title ?? ''}, on the leader and through a follower`,
})
const onBothCheck = (_t: import('ava').ExecutionContext<{ authority: TestAuthority }>) => undefined

test('a call is answered for the user whose token came with it', onBoth, answers, async (t, toy) => {
  const user = await toy.channel({ token: 'viewer-token' }).call(whoAmI, {})
  t.is(user.name, 'viewer')
})

test(
  'a call without a token, with another scheme or an unknown token is UNAUTHENTICATED',
  onBoth,
  answers,
  async (t, toy) => {
    for (const token of ['no-such-token', '']) {
      const error = await t.throwsAsync(toy.channel().call(whoAmI, {}, { token }), { instanceOf: RpcError })
      t.is(error?.code, 'UNAUTHENTICATED')
    }
  },
)

test(
  'a role below the one wanted is PERMISSION_DENIED and the error names it',
  onBoth,
  answers,
  async (t, toy) => {
    const set: Method<unknown, unknown> = method('Cluster', 'Set')
    const error = await t.throwsAsync(toy.channel().call(set, { name: 'x' }), { instanceOf: RpcError })
    t.is(error?.code, 'PERMISSION_DENIED')
    t.regex(error?.message ?? '', /admin/)
  },
)

const refusing: Handlers<UserCall> = {
  'Account/WhoAmI': unary<unknown, UserCall>(async () => {
    throw new RpcError('NOT_FOUND', 'no run 77; the newest is 12 – 100 % sure', {
      trailers: { 'a-trailer': 'x' },
    })
  }),
}

test("an error's code, sentence and trailers arrive", onBoth, refusing, async (t, toy) => {
  const error = await t.throwsAsync(toy.channel().call(whoAmI, {}), { instanceOf: RpcError })
  t.is(error?.code, 'NOT_FOUND')
  t.is(error?.message, 'no run 77; the newest is 12 – 100 % sure')
  t.is(error?.trailers['a-trailer'], 'x')
})

const counting: Handlers<UserCall> = {
  'Runs/Follow': serverStream<{ offset: number }, UserCall>(async function* ({ offset }) {
    for (let at = 0; at < offset; at++)
      yield { log: { attempt: 1, offset: at, data: Buffer.alloc(1000, at) } }
    if (offset === 3) throw new RpcError('OUT_OF_RANGE', 'three is the end')
  }),
}

test('a stream arrives whole and in order', onBoth, counting, async (t, toy) => {
  let next = 0
  for await (const { log } of toy.channel().serverStream(follow, { offset: 500 })) t.is(log?.offset, next++)
  t.is(next, 500)
})

test('what a stream sent before it failed arrives before the error', onBoth, counting, async (t, toy) => {
  let count = 0
  const read = async () => {
    for await (const _ of toy.channel().serverStream(follow, { offset: 3 })) count++
  }
  const error = await t.throwsAsync(read(), { instanceOf: RpcError })
  t.is(error?.code, 'OUT_OF_RANGE')
  t.is(count, 3)
})

const uploads: Handlers<UserCall> = {
  'Files/PutObject': clientStream<ObjectPart__Output, UserCall>(async (parts) => {
    let bytes = 0
    for await (const { data } of parts) {
      bytes += data.length
      if (bytes > 50_000_000) throw new RpcError('RESOURCE_EXHAUSTED', 'enough')
    }
    return { present: bytes === 10_000_000 }
  }),
}

test('many messages are taken and answered once', onBoth, uploads, async (t, toy) => {
  const upload = await toy.channel().clientStream(putObject)
  const data = Buffer.alloc(100_000)
  for (let sent = 0; sent < 100; sent++) await upload.write({ data })
  t.true((await upload.finish()).present)
})

test('an upload that is refused halfway tells its writer', onBoth, uploads, async (t, toy) => {
  const upload = await toy.channel().clientStream(putObject)
  const data = Buffer.alloc(1_000_000)
  const write = async () => {
    for (;;) await upload.write({ data })
  }
  const error = await t.throwsAsync(write(), { instanceOf: RpcError })
  t.is(error?.code, 'RESOURCE_EXHAUSTED')
  const again = await t.throwsAsync(upload.finish(), { instanceOf: RpcError })
  t.is(again?.message, 'enough')
})

test(
  'a message over the limit is RESOURCE_EXHAUSTED and the error names the limit',
  onBoth,
  uploads,
  async (t, toy) => {
    const upload = await toy.channel().clientStream(putObject)
    await upload.write({ data: Buffer.alloc(maxMessageBytes + 1) }).catch(() => undefined)
    const error = await t.throwsAsync(upload.finish(), { instanceOf: RpcError })
    t.is(error?.code, 'RESOURCE_EXHAUSTED')
    t.true(error?.message.includes(String(maxMessageBytes)))
  },
)

test(
  'a deadline holds',
  onBoth,
  {
    'Account/WhoAmI': unary<unknown, UserCall>(() => new Promise(() => undefined)),
  },
  async (t, toy) => {
    const error = await t.throwsAsync(toy.channel().call(whoAmI, {}, { deadlineMs: 200 }), {
      instanceOf: RpcError,
    })
    t.is(error?.code, 'DEADLINE_EXCEEDED')
  },
)

test(
  'an aborted call throws the reason of the signal',
  onBoth,
  {
    'Account/WhoAmI': unary<unknown, UserCall>(() => new Promise(() => undefined)),
  },
  async (t, toy) => {
    const controller = new AbortController()
    const call = toy.channel().call(whoAmI, {}, { signal: controller.signal })
    controller.abort(new Error('enough of it'))
    await t.throwsAsync(call, { message: 'enough of it' })
  },
)

for (const where of ['leader', 'follower'] as const) {
  test(`leaving a stream ends it on the leader; called on the ${where}`, async (t) => {
    let ended: () => void = () => undefined
    const hasEnded = new Promise<void>((resolve) => {
      ended = resolve
    })
    const pair = await startPair(t.context.authority, {
      'Runs/Follow': serverStream<unknown, UserCall>(async function* (_, { signal }) {
        yield { log: { attempt: 1 } }
        await once(signal, 'abort')
        ended()
      }),
    })
    t.teardown(pair.close)
    for await (const _ of pair[where].channel().serverStream(follow, {})) break
    await hasEnded
    t.pass()
  })

  test(`a reader that does not read holds up the writer; called on the ${where}`, async (t) => {
    let made = 0
    const pair = await startPair(t.context.authority, {
      'Runs/Follow': serverStream<unknown, UserCall>(async function* () {
        for (; made < 10_000; made++) yield { log: { attempt: 1, data: Buffer.alloc(64 * 1024) } }
      }),
    })
    t.teardown(pair.close)
    const stream = pair[where].channel().serverStream(follow, {})
    await stream.next()
    let before = -1
    // Runs until nothing more is made in many turns of the loop.
    for (let quiet = 0; quiet < 2_000; quiet = made === before ? quiet + 1 : 0) {
      before = made
      await turn()
    }
    t.true(made < 2_000, `${made} messages were made for a reader of one`)
    await stream.return()
  })
}

test('without a leader a call is UNAVAILABLE with a delay', async (t) => {
  const toy = await startToy(t.context.authority, () => ({ kind: 'nobody' }))
  t.teardown(toy.close)
  const error = await t.throwsAsync(toy.channel().call(whoAmI, {}), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  t.true(Number(error?.trailers['retry-after-ms']) > 0)
})

test('two coordinators that take one another for the leader do not send a call round', async (t) => {
  let second = ''
  const one = await startToy(t.context.authority, () => elsewhere(second))
  const two = await startToy(t.context.authority, () => elsewhere(one.address))
  second = two.address
  t.teardown(one.close)
  t.teardown(two.close)
  const error = await t.throwsAsync(one.channel().call(whoAmI, {}), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
})

test('calls go to the new leader after a change, and streams of the old one end as UNAVAILABLE', async (t) => {
  const handlers = {
    ...answers,
    'Runs/Follow': serverStream<unknown, UserCall>(async function* (_, { signal }) {
      yield { log: { attempt: 1 } }
      await once(signal, 'abort')
    }),
  }
  const here = (): Leading => ({ kind: 'here', leader: toyLeader })
  const first = await startToy(t.context.authority, here, handlers)
  const next = await startToy(t.context.authority, here, handlers)
  let leader = first.address
  const follower = await startToy(t.context.authority, () => elsewhere(leader), handlers)
  for (const toy of [follower, first, next]) t.teardown(toy.close)
  const channel = follower.channel()
  const stream = channel.serverStream(follow, {})
  await stream.next()
  leader = next.address
  first.endpoint.endpoint.abortStreams(new RpcError('UNAVAILABLE', 'This coordinator no longer leads.'))
  const error = await t.throwsAsync(stream.next(), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  await first.close()
  t.is((await channel.call(whoAmI, {})).name, 'member')
})

test('an unforeseen error is INTERNAL with an id that the log has too', async (t) => {
  const logged: unknown[] = []
  const log: Log = { ...silentLog, error: (_, facts) => logged.push(facts?.errorId) }
  const pair = await startPair(
    t.context.authority,
    {
      'Account/WhoAmI': unary<unknown, UserCall>(async () => {
        throw new TypeError('secret of the inside')
      }),
    },
    log,
  )
  t.teardown(pair.close)
  const error = await t.throwsAsync(pair.leader.channel().call(whoAmI, {}), { instanceOf: RpcError })
  t.is(error?.code, 'INTERNAL')
  t.false(error?.message.includes('secret'))
  t.true(error?.message.includes(String(logged[0])))
})

test('a channel goes on to the next address when one does not answer', async (t) => {
  const toy = await startToy(t.context.authority, () => ({ kind: 'here', leader: toyLeader }), answers)
  t.teardown(toy.close)
  const channel = toy.channel({ addresses: ['127.0.0.1:1', toy.address] })
  t.is((await channel.call(whoAmI, {})).name, 'member')
})

test('a server that another authority has certified is not talked to', async (t) => {
  const toy = await startToy(t.context.authority, () => ({ kind: 'here', leader: toyLeader }), answers)
  t.teardown(toy.close)
  const other = await testAuthority()
  const error = await t.throwsAsync(toy.channel({ tls: { ca: other.ca } }).call(whoAmI, {}), {
    instanceOf: RpcError,
  })
  t.is(error?.code, 'UNAVAILABLE')
  t.regex(error?.message ?? '', /certificate/)
})

function elsewhere(userAddress: string): Leading {
  return { kind: 'elsewhere', userAddress, agentAddress: '127.0.0.1:1' }
}
