import { RpcError } from '../../common/errors.js'
import { allMethods } from '../../proto/wire.js'
import type { Handlers, LiveCall } from './call.js'
import { type Leading, noLeader } from './leading.js'
import { NodeCall, nodeIdOf } from './node-call.js'
import { type Admission, Endpoint, type EndpointParts } from './server.js'

export interface NodeEndpointParts extends Pick<EndpointParts<NodeCall>, 'observe' | 'log' | 'clock'> {
  readonly handlers: Handlers<NodeCall>
  leading(): Leading
}

/** The agents' port: mutual TLS, answered by the leader only; others say where it is. */
export function makeNodeEndpoint(parts: NodeEndpointParts): Endpoint<NodeCall> {
  return new Endpoint({
    ...parts,
    methods: allMethods().filter((method) => method.service === 'Agents'),
    admit: (_, live) => admit(parts.leading(), live),
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
