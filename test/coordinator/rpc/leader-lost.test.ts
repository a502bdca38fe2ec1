import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import { type Handlers, serverStream, unary } from '../../../coordinator/rpc/call.js'
import type { UserCall } from '../../../coordinator/rpc/user-call.js'
import { method } from '../../../proto/wire.js'
import { testAuthority } from './certificates.js'
import { startPair, startToy, toyLeader } from './toy.js'

/** A leader that takes calls and never answers, as one that was cut off. */
function hanging() {
  let arrived = () => undefined as unknown
  const arrival = new Promise<void>((resolve) => {
    arrived = () => resolve()
  })
  const never = new Promise<never>(() => undefined)
  const handlers: Handlers<UserCall> = {
    'Account/WhoAmI': unary<unknown, UserCall>(() => {
      arrived()
      return never
    }),
    'Runs/Follow': serverStream<unknown, UserCall>(async function* () {
      arrived()
      yield {}
      await never
    }),
  }
  return { handlers, arrival }
}

test('a call that waits for a leader of before ends as soon as that is known, to be made again', async (t) => {
  const { handlers, arrival } = hanging()
  const pair = await startPair(await testAuthority(), handlers)
  t.teardown(pair.close)
  const asked = pair.follower.channel().call(method('Account', 'WhoAmI'), {})
  const refused = t.throwsAsync(asked, { instanceOf: RpcError, message: /does not lead any more/ })
  await arrival
  pair.follower.endpoint.leaderIs(pair.leader.address)
  pair.follower.endpoint.leaderIs(undefined)
  t.is((await refused)?.code, 'UNAVAILABLE')
})

test('a stream from a leader of before ends, too', async (t) => {
  const { handlers, arrival } = hanging()
  const pair = await startPair(await testAuthority(), handlers)
  t.teardown(pair.close)
  const read = async () => {
    for await (const _ of pair.follower.channel().serverStream(method('Runs', 'Follow'), {})) await arrival
  }
  const refused = t.throwsAsync(read(), { instanceOf: RpcError, message: /does not lead any more/ })
  await arrival
  pair.follower.endpoint.leaderIs('127.0.0.1:1')
  t.is((await refused)?.code, 'UNAVAILABLE')
})

test('whoever hears that nobody leads asks another coordinator, which may know who does', async (t) => {
  const authority = await testAuthority()
  const handlers: Handlers<UserCall> = {
    'Account/WhoAmI': unary<unknown, UserCall>(async (_, { user }) => user),
  }
  const cutOff = await startToy(authority, () => ({ kind: 'nobody', because: undefined }), handlers)
  const leader = await startToy(authority, () => ({ kind: 'here', leader: toyLeader }), handlers)
  t.teardown(async () => {
    await cutOff.close()
    await leader.close()
  })
  const channel = cutOff.channel({ addresses: [cutOff.address, leader.address] })
  const refused = await t.throwsAsync(channel.call(method('Account', 'WhoAmI'), {}), { instanceOf: RpcError })
  t.is(refused?.code, 'UNAVAILABLE')
  t.like(await channel.call(method('Account', 'WhoAmI'), {}), { name: 'member' })
})
