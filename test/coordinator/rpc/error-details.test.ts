import type { ServiceError } from '@grpc/grpc-js'
import test from 'ava'
import { RpcError } from '../../../common/errors.js'
import { unary } from '../../../coordinator/rpc/call.js'
import type { UserCall } from '../../../coordinator/rpc/user-call.js'
import type { BadRequest__Output } from '../../../proto/gen/google/rpc/BadRequest.js'
import type { Status__Output } from '../../../proto/gen/google/rpc/Status.js'
import { codec, method } from '../../../proto/wire.js'
import { testAuthority } from './certificates.js'
import { startPair } from './toy.js'

const sentence = 'The label "ü" is no label.'

test('the field at fault arrives with the error, on the leader and through a follower', async (t) => {
  const pair = await startPair(await testAuthority(), {
    'Account/WhoAmI': unary<unknown, UserCall>(async () => {
      throw new RpcError('INVALID_ARGUMENT', sentence, { field: 'spec.labels' })
    }),
  })
  t.teardown(pair.close)
  for (const coordinator of [pair.leader, pair.follower]) {
    const asked = coordinator.channel().call(method('Account', 'WhoAmI'), {})
    const error = await t.throwsAsync(asked, { instanceOf: RpcError, message: sentence })
    const [bytes] = (error?.cause as ServiceError | undefined)?.metadata.get('grpc-status-details-bin') ?? []
    const { code, message, details } = codec<Status__Output>('google.rpc.Status').decode(bytes as Buffer)
    t.deepEqual({ code, message }, { code: 3, message: sentence })
    t.is(details[0]?.type_url, 'type.googleapis.com/google.rpc.BadRequest')
    t.deepEqual(codec<BadRequest__Output>('google.rpc.BadRequest').decode(details[0]?.value as Buffer), {
      fieldViolations: [{ field: 'spec.labels', description: sentence }],
    })
  }
})

test('an error that is about no field has no details', async (t) => {
  const pair = await startPair(await testAuthority(), {
    'Account/WhoAmI': unary<unknown, UserCall>(async () => {
      throw new RpcError('NOT_FOUND', 'no run 7; there are no runs yet')
    }),
  })
  t.teardown(pair.close)
  const error = await t.throwsAsync(pair.leader.channel().call(method('Account', 'WhoAmI'), {}))
  t.deepEqual(((error as RpcError).cause as ServiceError).metadata.get('grpc-status-details-bin'), [])
})
