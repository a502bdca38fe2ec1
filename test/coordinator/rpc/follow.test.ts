import { randomUUID } from 'node:crypto'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { RpcError } from '../../../common/errors.js'
import type { Channel } from '../../../proto/channel.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { FollowEvent__Output } from '../../../proto/gen/spell/v1/FollowEvent.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import type { AttemptId } from '../../../proto/model/attempt.js'
import { type Method, method } from '../../../proto/wire.js'
import { type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { HandNode } from '../../fixtures/hand-node.js'
import { untilLed } from './until-led.js'

interface Context {
  readonly cluster: ClusterFixture
  readonly users: Channel
  readonly node: HandNode
}
const test = anyTest as TestFn<Context>

const submit: Method<unknown, SubmitResponse__Output> = method('Runs', 'Submit')
const follow: Method<unknown, FollowEvent__Output> = method('Runs', 'Follow')

test.before(async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  const users = cluster.users()
  await untilLed(users)
  const node = await HandNode.start(await leadersChannel(cluster), { nodeId: 'n1' })
  t.context = { cluster, users, node }
})
test.after.always(async (t) => {
  t.context.node?.cancel()
  await t.context.cluster?.stop()
})

async function leadersChannel(cluster: ClusterFixture): Promise<Channel> {
  for (const { agentAddress } of cluster.coordinators) {
    const channel = await cluster.nodes('n1', { addresses: [agentAddress] })
    try {
      const probe = await HandNode.start(channel, { nodeId: 'n1' })
      probe.cancel()
      return channel
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== 'FAILED_PRECONDITION') throw error
    }
  }
  throw new Error('No coordinator leads.')
}

/** Submits and takes the order to start it. */
async function begin(t: ExecutionContext<Context>): Promise<AttemptId> {
  const { users, node } = t.context
  const { runId } = await users.call(submit, { requestId: randomUUID(), spec: runSpecToWire(plainSpec) })
  const { id } = await node.started()
  t.is(id.runId, runId)
  return id
}

/** What a reader saw: states as they appeared, and log bytes between them. */
class Reader {
  readonly story: string[] = []
  offset = 0
  states = 0
  lines: string[] = []

  take(t: ExecutionContext<Context>, event: FollowEvent__Output): void {
    if (event.run) {
      for (const { state } of event.run.states.slice(this.states)) this.story.push(state)
      this.states = Math.max(this.states, event.run.states.length)
    }
    if (event.log) {
      t.is(event.log.offset, this.offset, 'no byte is missed or repeated')
      this.offset += event.log.data.length
      const last = this.story.at(-1) ?? ''
      const text = event.log.data.toString()
      if (last.startsWith('log:')) this.story[this.story.length - 1] = last + text
      else this.story.push(`log:${text}`)
    }
    if (event.line) this.lines.push(event.line.text)
  }
}

async function read(t: ExecutionContext<Context>, request: object, reader = new Reader()): Promise<Reader> {
  for await (const event of t.context.users.serverStream(follow, request)) reader.take(t, event)
  return reader
}

const whole = [
  'MACHINE_REQUESTED',
  'BUILDING',
  'RUNNING',
  'log:hello world\n',
  'SAVING',
  'PUSHING',
  'COMPLETE',
]

test.serial('a follower sees states and bytes as they happen, the last bytes before saving', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  const reading = read(t, { runId: id.runId, follow: true, logs: true })
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('hello '))
  // The end is reported before the last bytes arrive: whoever follows waits for them.
  await node.ended(id, 12)
  await node.finished(id)
  await node.ship(id, 6, Buffer.from('world\n'))
  t.deepEqual((await reading).story, whole)
})

test.serial('bytes that arrive before their run is known to be running are shown after that', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  const events = t.context.users
    .serverStream(follow, { runId: id.runId, follow: true, logs: true })
    [Symbol.asyncIterator]()
  const reader = new Reader()
  const readUntil = async (done: () => boolean) => {
    while (!done()) {
      const { value } = await events.next()
      if (value) reader.take(t, value)
    }
  }
  await node.reached(id, 'building')
  await readUntil(() => reader.story.includes('BUILDING'))
  await node.ship(id, 0, Buffer.from('hello world\n'))
  await node.lines([{ id, text: 'after the bytes', verbose: false, error: false }])
  await readUntil(() => reader.lines.length > 0)
  await node.reached(id, 'running')
  await node.ended(id, 12)
  await node.finished(id)
  await readUntil(() => reader.story.includes('COMPLETE'))
  t.deepEqual(reader.story, whole)
})

test.serial('bytes that no node has any more are said to be missing', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('hello '))
  const reading = read(t, { runId: id.runId, follow: true, logs: true })
  await node.ended(id, 12)
  await node.finished(id)
  await node.forgotten(id)
  const { story, lines } = await reading
  t.deepEqual(
    story,
    whole.map((part) => (part.startsWith('log:') ? 'log:hello ' : part)),
  )
  t.deepEqual(lines, ['6 bytes of this log have not arrived.'])
})

test.serial('whoever comes later sees the same story', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('hello world\n'))
  await node.ended(id, 12)
  await node.finished(id)
  t.deepEqual((await read(t, { runId: id.runId, follow: true, logs: true })).story, whole)
  t.deepEqual((await read(t, { runId: id.runId, logs: true })).story, whole)
  t.deepEqual(
    (await read(t, { runId: id.runId })).story,
    whole.filter((part) => !part.startsWith('log')),
  )
})

test.serial('a follower that comes back goes on where it was', async (t) => {
  const { node, users } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('hello '))
  const reader = new Reader()
  for await (const event of users.serverStream(follow, { runId: id.runId, follow: true, logs: true })) {
    reader.take(t, event)
    if (event.log) break
  }
  await node.ship(id, 6, Buffer.from('world\n'))
  await node.ended(id, 12)
  await node.finished(id)
  const { offset, states } = reader
  const request = { runId: id.runId, follow: true, logs: true, offset, attempt: 1, statesSeen: states }
  t.deepEqual((await read(t, request, reader)).story, whole)
})

test.serial('tail begins with the last lines', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('1\n2\n3\n4\n5'))
  await node.ended(id, 9)
  await node.finished(id)
  const tail = async (tailLines: number) => {
    const reader = new Reader()
    for await (const { log } of t.context.users.serverStream(follow, {
      runId: id.runId,
      logs: true,
      tailLines,
    }))
      if (log) reader.story.push(log.data.toString())
    return reader.story.join('')
  }
  t.is(await tail(2), '4\n5')
  t.is(await tail(0), '')
  t.is(await tail(99), '1\n2\n3\n4\n5')
})

test.serial('lines about a run reach those who follow and those who come later', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  await node.lines([{ id, text: 'pulling: 3 of 7', verbose: true, error: false }])
  await node.reached(id, 'building', 'running')
  await node.ended(id, 0)
  await node.finished(id)
  t.deepEqual((await read(t, { runId: id.runId, follow: true, logs: true })).lines, ['pulling: 3 of 7'])
})

test.serial('a log of ten million bytes arrives whole at many followers', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  const readers = Array.from({ length: 20 }, async () => {
    let bytes = 0
    const request = { runId: id.runId, follow: true, logs: true }
    for await (const { log } of t.context.users.serverStream(follow, request)) {
      if (log) t.is(log.offset, bytes)
      bytes += log?.data.length ?? 0
    }
    return bytes
  })
  const data = Buffer.alloc(1_000_000, 'x')
  for (let offset = 0; offset < 10_000_000; offset += data.length) await node.ship(id, offset, data)
  await node.ended(id, 10_000_000)
  await node.finished(id)
  t.deepEqual(await Promise.all(readers), Array(20).fill(10_000_000))
})

test.serial('a log that comes after its run has ended arrives whole', async (t) => {
  const { node, users } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  const request = { runId: id.runId, follow: true, logs: true }
  const readers = Array.from({ length: 5 }, async () => {
    let bytes = 0
    for await (const { log } of users.serverStream(follow, request)) bytes += log?.data.length ?? 0
    return bytes
  })
  await node.ended(id, 4_000_000)
  await node.finished(id)
  const data = Buffer.alloc(100_000, 'x')
  for (let offset = 0; offset < 4_000_000; offset += data.length) await node.ship(id, offset, data)
  t.deepEqual(await Promise.all(readers), Array(5).fill(4_000_000))
})

test.serial('bytes of an attempt that is not the current one are refused', async (t) => {
  const { node } = t.context
  const id = await begin(t)
  t.is(await node.ship({ runId: id.runId, attempt: 2 }, 0, Buffer.from('x')), undefined)
  t.is(await node.ship({ runId: 99_999, attempt: 1 }, 0, Buffer.from('x')), undefined)
  await node.reached(id, 'building', 'running')
  await node.ended(id, 0)
  await node.finished(id)
})

test.serial('a run that is not there is NOT_FOUND, and the newest is named', async (t) => {
  const error = await t.throwsAsync(read(t, { runId: 99_999, follow: true }), { instanceOf: RpcError })
  t.is(error?.code, 'NOT_FOUND')
  t.regex(error?.message ?? '', /^no run 99999; the newest is \d+$/i)
})

test.serial('whoever asks for times is told when each part of a log came', async (t) => {
  const { node, users } = t.context
  const id = await begin(t)
  await node.reached(id, 'building', 'running')
  await node.ship(id, 0, Buffer.from('one\n'))
  const live = users.serverStream(follow, { runId: id.runId, follow: true, logs: true, times: true })
  const seen: { readonly text: string; readonly atMs: number }[] = []
  const shipAgain = async () => {
    // A quarter of a second is as finely as times are kept.
    await new Promise((resolve) => setTimeout(resolve, 300))
    await node.ship(id, 4, Buffer.from('two\n'))
    await node.ended(id, 8)
    await node.finished(id)
  }
  for await (const { log } of live) {
    if (!log) continue
    seen.push({ text: log.data.toString(), atMs: log.atMs })
    if (seen.length === 1) await shipAgain()
  }
  t.deepEqual(
    seen.map(({ text }) => text),
    ['one\n', 'two\n'],
  )
  const again: typeof seen = []
  for await (const { log } of users.serverStream(follow, { runId: id.runId, logs: true, times: true }))
    if (log) again.push({ text: log.data.toString(), atMs: log.atMs })
  t.deepEqual(
    again.map(({ text }) => text),
    ['one\n', 'two\n'],
  )
  const [first, second] = again
  t.true((first?.atMs ?? 0) > 0 && (second?.atMs ?? 0) - (first?.atMs ?? 0) >= 250)
})
