import { RpcError } from '../../common/errors.js'
import { allMethods, type Method } from '../../proto/wire.js'
import { CoordinatorCall } from '../home/coordinator-call.js'
import type { Handlers, LiveCall } from './call.js'
import { type Leading, noLeader } from './leading.js'
import { NodeCall, nodeIdOf } from './node-call.js'
import { isForCoordinators } from './permissions.js'
import { type Admission, Endpoint, type EndpointParts } from './server.js'

/** Who calls at the agents' port. */
export type MemberCall = NodeCall | CoordinatorCall

export interface NodeEndpointParts extends Pick<EndpointParts<MemberCall>, 'observe' | 'log' | 'clock'> {
  readonly handlers: Handlers<NodeCall>
  readonly coordinatorHandlers: Handlers<CoordinatorCall>
  leading(): Leading
}

/**
 * The agents' port: mutual TLS. Agents are answered by the leader only; others say where it is. What coordinators ask of
 * one another is answered by each for itself.
 */
export function makeNodeEndpoint({
  handlers,
  coordinatorHandlers,
  ...parts
}: NodeEndpointParts): Endpoint<MemberCall> {
  const ofCoordinators = ({ service, name }: Method<unknown, unknown>) =>
    isForCoordinators(`${service}/${name}`)
  return new Endpoint<MemberCall>({
    ...parts,
    handlers: { ...handlers, ...coordinatorHandlers },
    methods: allMethods().filter((method) => method.service === 'Agents' || ofCoordinators(method)),
    admit: (method, live) =>
      ofCoordinators(method)
        ? { kind: 'here', context: new CoordinatorCall(live) }
        : admit(parts.leading(), live),
    outlivesLead: ofCoordinators,
  })
}

function admit(leading: Leading, live: LiveCall): Admission<NodeCall> {
  const nodeId = nodeIdOf(live)
  switch (leading.kind) {
    case 'here':
      if (leading.leader.joins.isRemoved(nodeId)) throw removed()
      return { kind: 'here', context: new NodeCall(live, leading.leader) }
    case 'elsewhere':
      throw new RpcError('FAILED_PRECONDITION', `The leader is at ${leading.agentAddress}.`, {
        trailers: { 'leader-address': leading.agentAddress },
      })
    case 'nobody':
      throw noLeader()
  }
}

function removed(): RpcError {
  return new RpcError(
    'PERMISSION_DENIED',
    'This node was removed from the cluster. To bring its machine back join again, with a new token ("spell node join").',
  )
}
