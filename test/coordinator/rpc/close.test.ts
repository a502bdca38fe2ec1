import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import { unary } from '../../../coordinator/rpc/call.js'
import type { UserCall } from '../../../coordinator/rpc/user-call.js'
import type { User__Output } from '../../../proto/gen/spell/v1/User.js'
import { type Method, method } from '../../../proto/wire.js'
import { testAuthority } from './certificates.js'
import { startToy, toyLeader } from './toy.js'

const whoAmI: Method<unknown, User__Output> = method('Account', 'WhoAmI')

test('closing ends a call that nobody ends, and waits for no handshake', async (t) => {
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const handlers = {
    'Account/WhoAmI': unary<unknown, UserCall>(() => {
      begin()
      return new Promise(() => {})
    }),
  }
  const toy = await startToy(await testAuthority(), () => ({ kind: 'here', leader: toyLeader }), handlers)
  const call = toy.channel().call(whoAmI, {})
  await begun
  const { port } = new URL(`tcp://${toy.address}`)
  const silent = connect(Number(port), '127.0.0.1')
  t.teardown(() => silent.destroy())
  silent.on('error', () => undefined)
  await once(silent, 'connect')
  const failed = t.throwsAsync(call, { instanceOf: RpcError })
  await toy.endpoint.close(200)
  t.truthy(await failed)
})
