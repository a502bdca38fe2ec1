import test from 'ava'
import { Outbox } from '../../../coordinator/rpc/outbox.js'
import { toAgentToWire } from '../../../proto/convert/link.js'
import type { Order, ToAgent } from '../../../proto/model/link.js'
import { method } from '../../../proto/wire.js'
import { plainSpec } from '../../fixtures/full-spec.js'

const agentTakes = 8 * 1024 * 1024

function order(runId: number, textBytes = 0): Order {
  const spec = { ...plainSpec, env: [{ name: 'TEXT', value: 'x'.repeat(textBytes) }] }
  return {
    ...{ id: { runId, attempt: 1 }, wanted: 'start', lastAppliedReport: 0, reason: '' },
    assignment: {
      ...{ id: { runId, attempt: 1 }, creator: 'ann', createdAtMs: 1, spec, defaultImage: '', cpus: 1 },
      ...{ memoryBytes: 1, gpuUuids: [], machineType: 'CPU', replaceable: false, lostAfterMs: 0 },
      ...{ graceMs: 1, diskBytes: 0, logLimitBytes: 1 },
    },
  }
}

async function sent(outbox: Outbox): Promise<readonly ToAgent[]> {
  outbox.end()
  const messages: ToAgent[] = []
  for await (const message of outbox.messages()) messages.push(message)
  return messages
}

const runIds = (message: ToAgent | undefined) =>
  message?.kind === 'orders' ? message.orders.map(({ id }) => id.runId) : []

test('orders of one turn travel together, in order', async (t) => {
  const outbox = new Outbox()
  outbox.push({ kind: 'orders', orders: [order(1), order(2)] })
  outbox.push({ kind: 'orders', orders: [order(3)] })
  outbox.push({ kind: 'heartbeat', sequence: 1 })
  outbox.push({ kind: 'orders', orders: [order(4)] })
  const messages = await sent(outbox)
  t.deepEqual(messages.map(runIds), [[1, 2, 3], [], [4]])
})

test('no message of orders is larger than an agent takes, however they were handed in', async (t) => {
  const { response } = method('Agents', 'Link')
  const large = Array.from({ length: 30 }, (_, index) => order(index + 1, 400_000))
  const whole = new Outbox()
  whole.push({ kind: 'orders', orders: large })
  const single = new Outbox()
  for (const one of large) single.push({ kind: 'orders', orders: [one] })
  for (const outbox of [whole, single]) {
    const messages = await sent(outbox)
    t.deepEqual(
      messages.flatMap(runIds),
      large.map(({ id }) => id.runId),
    )
    for (const message of messages) t.true(response.encode(toAgentToWire(message)).length < agentTakes)
  }
})
