import { createHash } from 'node:crypto'
import { ServerCredentials } from '@grpc/grpc-js'
import { systemClock } from '../../../common/clock.js'
import { RpcError } from '../../../common/errors.js'
import { type Log, silentLog } from '../../../common/log.js'
import type { Role, User } from '../../../coordinator/core/records.js'
import type { Leader } from '../../../coordinator/leader.js'
import { type Handler, type Handlers, unary } from '../../../coordinator/rpc/call.js'
import { loadDescriptors } from '../../../coordinator/rpc/descriptors.js'
import type { Leading } from '../../../coordinator/rpc/leading.js'
import type { UserCall } from '../../../coordinator/rpc/user-call.js'
import { UserEndpoint, userMethods } from '../../../coordinator/rpc/user-endpoint.js'
import { Channel, type ChannelSettings } from '../../../proto/channel.js'
import type { TestAuthority } from './certificates.js'

const roles: readonly Role[] = ['viewer', 'member', 'admin']
const users = new Map<string, User>(
  roles.map((role) => [
    createHash('sha256').update(`${role}-token`).digest('hex'),
    { name: role, email: '', role, maxConcurrentRuns: 0 },
  ]),
)

/** Of all that a leader does, what an endpoint itself asks: whose token it is. `viewer-token` is the viewer's, and so on. */
export const toyLeader = {
  user: (hash: string) => users.get(hash),
  people: { opened: () => () => undefined },
} as unknown as Leader

const unanswered = unary<unknown, UserCall>(async () => {
  throw new RpcError('UNIMPLEMENTED', 'The toy has no such method.')
})

export interface Toy {
  readonly address: string
  readonly endpoint: UserEndpoint
  channel(settings?: Partial<ChannelSettings>): Channel
  close(): Promise<void>
}

/** A users' endpoint over real TLS, with handlers of a test's own. */
export async function startToy(
  authority: TestAuthority,
  leading: () => Leading,
  handlers: Handlers<UserCall> = {},
  log: Log = silentLog,
): Promise<Toy> {
  const all: Record<string, Handler<UserCall>> = {}
  for (const { service, name } of userMethods()) all[`${service}/${name}`] = unanswered
  const endpoint = new UserEndpoint({
    handlers: { ...all, ...handlers },
    descriptors: loadDescriptors(),
    ca: authority.ca,
    leading,
    audit: { add() {}, addRefusal() {} },
    log,
    clock: systemClock,
  })
  const { certificate, key } = await authority.server()
  const credentials = ServerCredentials.createSsl(null, [{ cert_chain: certificate, private_key: key }])
  const port = await endpoint.endpoint.listen('127.0.0.1:0', credentials)
  const address = `127.0.0.1:${port}`
  const channels: Channel[] = []
  return {
    address,
    endpoint,
    channel(settings = {}) {
      const channel = new Channel({
        addresses: [address],
        tls: { ca: authority.ca },
        token: 'member-token',
        ...settings,
      })
      channels.push(channel)
      return channel
    },
    async close() {
      for (const channel of channels) channel.close()
      await endpoint.close(200)
    },
  }
}

/** A leader with these handlers and a follower that sends everything on to it. */
export async function startPair(authority: TestAuthority, handlers: Handlers<UserCall>, log?: Log) {
  const leader = await startToy(authority, () => ({ kind: 'here', leader: toyLeader }), handlers, log)
  const elsewhere = { kind: 'elsewhere', userAddress: leader.address, agentAddress: '127.0.0.1:1' } as const
  const follower = await startToy(authority, () => elsewhere, {
    // The kinds of the methods must be the same on both; what is forwarded never reaches them.
    ...handlers,
  })
  return {
    leader,
    follower,
    close: async () => {
      await follower.close()
      await leader.close()
    },
  }
}
