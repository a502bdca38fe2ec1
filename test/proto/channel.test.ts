import test from 'ava'
import { RpcError } from '../../common/errors.js'
import { Channel, stayTrailer } from '../../proto/channel.js'
import { method } from '../../proto/wire.js'
import { fakeCoordinator } from '../cli/support/fake-coordinator.js'

const status = method<object, { readonly totalRuns: number }>('Account', 'Status')

test('after a coordinator that says it reaches nobody, or says nothing, another is asked', async (t) => {
  const helpless = await fakeCoordinator({
    'Account/Status': () => {
      throw new RpcError('UNAVAILABLE', 'Nobody leads.')
    },
  })
  const silent = await fakeCoordinator({ 'Account/Status': () => new Promise(() => undefined) })
  const well = await fakeCoordinator({ 'Account/Status': () => ({ totalRuns: 7 }) })
  const three = [helpless, silent, well]
  const channel = new Channel({
    addresses: three.map(({ address }) => address),
    tls: { ca: three.map(({ ca }) => ca).join('\n') },
  })
  t.teardown(async () => {
    channel.close()
    for (const each of three) await each.crash()
  })
  await t.throwsAsync(channel.call(status, {}), { message: /Nobody leads/ })
  await t.throwsAsync(channel.call(status, {}, { deadlineMs: 100 }), { code: 'DEADLINE_EXCEEDED' })
  t.is((await channel.call(status, {})).totalRuns, 7)
  t.is((await channel.call(status, {})).totalRuns, 7, 'who answers is kept')
})

test('a coordinator that says what else is away is not left for another, which would say the same', async (t) => {
  const first = await fakeCoordinator({
    'Account/Status': () => {
      throw new RpcError('UNAVAILABLE', 'The store is away.', { trailers: { [stayTrailer]: 'the store' } })
    },
  })
  const second = await fakeCoordinator({ 'Account/Status': () => ({ totalRuns: 7 }) })
  const channel = new Channel({
    addresses: [first.address, second.address],
    tls: { ca: `${first.ca}\n${second.ca}` },
  })
  t.teardown(async () => {
    channel.close()
    for (const each of [first, second]) await each.crash()
  })
  for (let tries = 0; tries < 2; tries += 1)
    await t.throwsAsync(channel.call(status, {}), { message: /The store is away/ })
})
