import { Duplex } from 'node:stream'
import test from 'ava'
import { messagesOf } from '../../../coordinator/rpc/streams.js'

/** Like a call of gRPC: what is written waits until the test says that it has gone out. */
function makeCall() {
  const out: { written?: () => void; statusSent: boolean } = { statusSent: false }
  const call = new Duplex({
    objectMode: true,
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      out.written = () => done()
    },
    final: (done) => {
      out.statusSent = true
      done()
    },
  })
  call.on('error', () => call.end())
  return { call, out }
}

const text = (bytes: Buffer) => bytes.toString()

test('messages come in order, and the end ends the loop', async (t) => {
  const { call } = makeCall()
  for (const word of ['a', 'b', 'c']) call.push(Buffer.from(word))
  call.push(null)
  const seen: string[] = []
  for await (const message of messagesOf(call, text)) seen.push(message)
  t.deepEqual(seen, ['a', 'b', 'c'])
})

test('a call that fails while an answer is on its way still sends its status', async (t) => {
  const { call, out } = makeCall()
  call.write(Buffer.from('an answer'))
  const next = messagesOf(call, text).next()
  call.emit('error', new Error('The store is away.'))
  await t.throwsAsync(next, { message: 'The store is away.' })
  t.false(call.destroyed)
  out.written?.()
  await new Promise((resolve) => call.once('finish', resolve))
  t.true(out.statusSent)
})

test('leaving the loop leaves the call open', async (t) => {
  const { call } = makeCall()
  for (const word of ['a', 'b']) call.push(Buffer.from(word))
  for await (const message of messagesOf(call, text)) {
    t.is(message, 'a')
    break
  }
  t.false(call.destroyed)
})

test('a caller that goes away ends the loop with an error', async (t) => {
  const { call } = makeCall()
  const next = messagesOf(call, text).next()
  call.destroy()
  await t.throwsAsync(next, { message: /ended the call/ })
})
