import { RpcError, unreachable } from '../../common/errors.js'
import { fromAgentFromWire, toAgentToWire } from '../../proto/convert/link.js'
import type { FromAgent__Output } from '../../proto/gen/spell/v1/FromAgent.js'
import type { FromAgent } from '../../proto/model/link.js'
import type { AgentSession } from '../agents/agent-session.js'
import type { NodeCall } from './node-call.js'
import { Outbox } from './outbox.js'

/** One link to a node: its messages go to the leader's session, what the session sends goes to the node. */
export async function* link(
  messages: AsyncIterable<FromAgent__Output>,
  call: NodeCall,
): AsyncGenerator<object> {
  const outbox = new Outbox()
  const session = call.leader.attach(call.nodeId, outbox.push)
  const abort = () => outbox.end(call.signal.reason)
  call.signal.addEventListener('abort', abort, { once: true })
  read(messages, session, call.nodeId).then(
    () => outbox.end(),
    (error: unknown) => outbox.end(error),
  )
  try {
    for await (const message of outbox.messages()) yield toAgentToWire(message)
  } finally {
    call.signal.removeEventListener('abort', abort)
    session.detach()
  }
}

async function read(
  messages: AsyncIterable<FromAgent__Output>,
  session: AgentSession,
  nodeId: string,
): Promise<void> {
  let greeted = false
  for await (const wire of messages) {
    const message = fromAgentFromWire(wire)
    if (greeted === (message.kind === 'hello'))
      throw new RpcError('INVALID_ARGUMENT', 'A link begins with a hello and has one only.')
    if (message.kind === 'hello' && message.nodeId !== nodeId)
      throw new RpcError(
        'PERMISSION_DENIED',
        `The certificate is node ${nodeId}'s; the hello says ${message.nodeId}.`,
      )
    greeted = true
    give(session, message)
  }
}

function give(session: AgentSession, message: FromAgent): void {
  switch (message.kind) {
    case 'hello':
      session.hello(message)
      break
    case 'heartbeat':
      session.heartbeat(message.sequence)
      break
    case 'reports':
      session.reports(message.reports)
      break
    case 'described':
      session.described(message.assignment)
      break
    case 'inventory':
      session.inventory(message.inventory)
      break
    case 'lines':
      session.lines(message.lines)
      break
    case 'forgotten':
      session.forgotten(message.ids)
      break
    default:
      unreachable(message)
  }
}
