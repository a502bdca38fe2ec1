import { RpcError } from '../../common/errors.js'
import type { AgentHello__Output } from '../gen/spell/v1/AgentHello.js'
import type { FromAgent__Output } from '../gen/spell/v1/FromAgent.js'
import type { FromLeader__Output } from '../gen/spell/v1/FromLeader.js'
import type { Inventory__Output } from '../gen/spell/v1/Inventory.js'
import type { Order__Output } from '../gen/spell/v1/Order.js'
import type { FromAgent, Inventory, Order, ToAgent } from '../model/link.js'
import {
  assignmentFromWire,
  assignmentToWire,
  attemptIdFromWire,
  reportFromWire,
  reportToWire,
  wantedFromWire,
  wantedToWire,
} from './attempt.js'

export function fromAgentToWire(message: FromAgent): object {
  switch (message.kind) {
    case 'hello': {
      const { kind: _, ...hello } = message
      return { hello }
    }
    case 'heartbeat':
      return { heartbeat: { sequence: message.sequence } }
    case 'reports':
      return { reports: { reports: message.reports.map(reportToWire) } }
    case 'described':
      return { described: { id: message.assignment.id, assignment: assignmentToWire(message.assignment) } }
    case 'inventory':
      return { inventory: message.inventory }
    case 'lines':
      return { lines: { lines: message.lines } }
    case 'forgotten':
      return { forgotten: { ids: message.ids } }
  }
}

export function fromAgentFromWire(wire: FromAgent__Output): FromAgent {
  if (wire.reports) return { kind: 'reports', reports: wire.reports.reports.map(reportFromWire) }
  if (wire.heartbeat) return { kind: 'heartbeat', sequence: wire.heartbeat.sequence }
  if (wire.forgotten) return { kind: 'forgotten', ids: wire.forgotten.ids.map(attemptIdFromWire) }
  if (wire.lines) {
    const lines = wire.lines.lines.map((line) => ({ ...line, id: attemptIdFromWire(line.id) }))
    return { kind: 'lines', lines }
  }
  if (wire.inventory) return { kind: 'inventory', inventory: inventoryFromWire(wire.inventory) }
  if (wire.described?.assignment)
    return { kind: 'described', assignment: assignmentFromWire(wire.described.assignment) }
  if (wire.hello) return helloFromWire(wire.hello)
  throw new RpcError('INVALID_ARGUMENT', 'This version does not know such a message from an agent.')
}

function helloFromWire(wire: AgentHello__Output): FromAgent {
  return {
    ...wire,
    kind: 'hello',
    inventory: inventoryFromWire(wire.inventory),
    attempts: wire.attempts.map((held) => ({ ...held, id: attemptIdFromWire(held.id) })),
  }
}

export function inventoryFromWire(wire: Inventory__Output | null): Inventory {
  if (!wire) throw new RpcError('INVALID_ARGUMENT', 'A hello has no inventory.')
  return { ...wire, gpus: wire.gpus.map((gpu) => ({ ...gpu })) }
}

export function toAgentToWire(message: ToAgent): object {
  switch (message.kind) {
    case 'hello': {
      const { kind: _, verdicts, ...hello } = message
      return { hello: { ...hello, verdicts: verdicts.map(orderToWire) } }
    }
    case 'heartbeat':
      return { heartbeat: { sequence: message.sequence } }
    case 'orders':
      return { orders: { orders: message.orders.map(orderToWire) } }
    case 'answers':
      return { answers: { answers: message.answers } }
  }
}

export function toAgentFromWire(wire: FromLeader__Output): ToAgent {
  if (wire.answers) {
    const answers = wire.answers.answers.map((answer) => ({ ...answer, id: attemptIdFromWire(answer.id) }))
    return { kind: 'answers', answers }
  }
  if (wire.orders) return { kind: 'orders', orders: wire.orders.orders.map(orderFromWire) }
  if (wire.heartbeat) return { kind: 'heartbeat', sequence: wire.heartbeat.sequence }
  if (wire.hello) {
    const { verdicts, ...hello } = wire.hello
    return { ...hello, kind: 'hello', verdicts: verdicts.map(orderFromWire) }
  }
  throw new RpcError('INVALID_ARGUMENT', 'This version does not know such a message from a leader.')
}

function orderToWire(order: Order): object {
  return {
    ...order,
    wanted: wantedToWire(order.wanted),
    assignment: order.assignment ? assignmentToWire(order.assignment) : null,
  }
}

function orderFromWire(wire: Order__Output): Order {
  return {
    id: attemptIdFromWire(wire.id),
    wanted: wantedFromWire(wire.wanted),
    assignment: wire.assignment ? assignmentFromWire(wire.assignment) : undefined,
    lastAppliedReport: wire.lastAppliedReport,
    reason: wire.reason,
  }
}
