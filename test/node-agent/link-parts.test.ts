import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { makeLog } from '../../common/log.js'
import { KnownAddresses } from '../../node-agent/known-addresses.js'
import { Addresses } from '../../node-agent/link/addresses.js'
import { KeptChannels } from '../../node-agent/link/kept-channels.js'
import { Channel } from '../../proto/channel.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { makeTrust } from './fixtures/trust.js'

const log = makeLog('test', 'error')

test('addresses take turns; the one that leads comes first, once', async (t) => {
  const file = join(await temporaryFolder(t), 'coordinators.json')
  const addresses = new Addresses(new KnownAddresses(['a:1', 'b:1'], file, log))
  await addresses.load()
  t.deepEqual([addresses.next(), addresses.next(), addresses.next()], ['a:1', 'b:1', 'a:1'])
  await addresses.found('b:1', ['a:1', 'b:1', 'c:1'])
  t.deepEqual(JSON.parse(await readFile(file, 'utf8')), ['a:1', 'b:1', 'c:1'])
  t.is(addresses.next(), 'b:1')
  t.deepEqual(new Set([addresses.next(), addresses.next(), addresses.next()]), new Set(['a:1', 'b:1', 'c:1']))
})

test('a leader that is named in vain is tried twice; another one that is named later, at once', async (t) => {
  const addresses = new Addresses(
    new KnownAddresses(['a:1', 'b:1'], join(await temporaryFolder(t), 'file'), log),
  )
  t.true(addresses.redirect('gone:1'))
  t.is(addresses.next(), 'gone:1')
  t.true(addresses.redirect('gone:1'))
  addresses.next()
  t.false(addresses.redirect('gone:1'))
  t.is(addresses.next(), 'a:1')
  t.true(addresses.redirect('new:1'))
  t.is(addresses.next(), 'new:1')
})

test('a coordinator that answers without leading is asked some more times before the next is', async (t) => {
  const addresses = new Addresses(
    new KnownAddresses(['a:1', 'b:1'], join(await temporaryFolder(t), 'file'), log),
  )
  const asked = Array.from({ length: 8 }, () => {
    const address = addresses.next()
    addresses.stay(address)
    return address
  })
  t.deepEqual(asked, ['a:1', 'a:1', 'a:1', 'a:1', 'b:1', 'b:1', 'b:1', 'b:1'])
})

test('a connection that was kept is the one that is taken, once', (t) => {
  const opened: string[] = []
  const closed: string[] = []
  const kept = new KeptChannels((address) => {
    opened.push(address)
    return { close: () => closed.push(address) } as unknown as Channel
  })
  const first = kept.take('a:1')
  kept.keep('a:1', first)
  t.is(kept.take('a:1'), first)
  t.not(kept.take('a:1'), first)
  kept.keep('a:1', first)
  kept.close()
  kept.close()
  t.deepEqual(opened, ['a:1', 'a:1'])
  t.deepEqual(closed, ['a:1'])
})

test('a machine that neither answers nor refuses is left in time; one that refuses, at once', async (t) => {
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const { port } = silent.address() as AddressInfo
  const { authority } = await makeTrust(await temporaryFolder(t))
  const open = (address: string) => {
    const channel = new Channel({ addresses: [address], tls: { ca: authority.certificatePem } })
    t.teardown(() => channel.close())
    return channel
  }
  const { signal } = new AbortController()
  const error = await t.throwsAsync(open(`127.0.0.1:${port}`).connect(200, signal), { instanceOf: RpcError })
  t.is(error?.code, 'UNAVAILABLE')
  await t.notThrowsAsync(open('127.0.0.1:9').connect(600_000, signal))
  const leaving = new AbortController()
  const waiting = open(`127.0.0.1:${port}`).connect(600_000, leaving.signal)
  systemClock.timer(10, () => leaving.abort())
  await t.notThrowsAsync(waiting)
})
