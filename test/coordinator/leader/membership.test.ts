import test from 'ava'
import { makeAuthority, makeKeyPair } from '../../../common/certificates.js'
import { noFailpoints } from '../../../common/failpoint.js'
import { proveKey } from '../../../common/key-proof.js'
import { silentLog } from '../../../common/log.js'
import { newClusterKey } from '../../../common/sealing.js'
import { keepAuthorityKey, type Trust } from '../../../coordinator/leader/authority.js'
import { joinNode } from '../../../coordinator/leader/join.js'
import { createJoinToken } from '../../../coordinator/leader/join-tokens.js'
import { LoadedState } from '../../../coordinator/leader/loaded-state.js'
import { makeTerm } from '../../../coordinator/leader/make-term.js'
import { forgetNode, isRemoved } from '../../../coordinator/leader/membership.js'
import { renewCertificate } from '../../../coordinator/leader/renew.js'
import type { Term } from '../../../coordinator/leader/term.js'
import { defaultLeaderSettings } from '../../../coordinator/leader/types.js'
import { keys, noSecrets, World } from './harness.js'

/** A term over what the world's etcd holds. */
function termOf(world: World, trust: Trust = noSecrets): Term {
  const loaded = new LoadedState(defaultLeaderSettings, { clock: world.clock, keys })
  for (const entry of world.queue.entries()) loaded.take(entry)
  const parts = {
    ...{ clock: world.clock, log: silentLog, failpoints: noFailpoints, queue: world.queue, keys, loaded },
    ...{ requestLeases: { current: () => 'lease-1' }, isLeading: () => true, stepDown: () => {} },
    ...{
      etcdSize: () => ({ bytes: 0, quotaBytes: 1 }),
      recordVersions: () => [1],
      coordinatorAddresses: () => [],
      userAddresses: () => [],
    },
    ...{ objects: world.objects, takeLines: () => {}, trust },
  }
  return makeTerm({ ...defaultLeaderSettings, term: 1, generation: 'g', version: '1' }, parts, () => {})
}

test('a node that came with the cluster belongs to it until it is removed, and never again', async (t) => {
  const world = new World()
  const term = termOf(world)
  t.false(isRemoved(term.memory, 'node-1'))
  const { puts, deletes } = forgetNode(term, 'node-1')
  t.true(isRemoved(term.memory, 'node-1'))
  t.false(isRemoved(term.memory, 'node-2'))
  await term.writes.commit(puts, deletes)
  t.true(isRemoved(termOf(world).memory, 'node-1'), 'the next leader knows it too')
  t.deepEqual(forgetNode(term, 'node-1'), { puts: [], deletes: [] }, 'it is safe to repeat')
})

test('a node that was removed neither renews its certificate nor joins again with its key', async (t) => {
  const world = new World()
  const authority = await makeAuthority('a pool', world.clock)
  const term = termOf(world, {
    authorityPem: authority.certificatePem,
    clusterKey: newClusterKey(),
    readAuthorityKey: () => authority.keyPem,
  })
  await keepAuthorityKey(term)
  const pair = await makeKeyPair()
  const create = async () =>
    (await createJoinToken(term, { kind: 'node', uses: 2, ttlMs: 1e6, creator: 'root', machineType: '' }))
      .token
  const join = async (token: string, name: string) => {
    const signature = proveKey(pair.keyPem, { kind: 'join', token })
    return await joinNode(term, { token, publicKeyPem: pair.publicKeyPem, signature, name, machineId: '' })
  }
  const token = await create()
  const { membership, certificatePem } = await join(token, 'box')
  const signature = proveKey(pair.keyPem, { kind: 'renew', certificatePem })
  await t.notThrowsAsync(renewCertificate(term, { certificatePem, signature }))
  forgetNode(term, membership.holder.replace('node:', ''))
  const removed = { message: /was removed from the cluster/ }
  await t.throwsAsync(renewCertificate(term, { certificatePem, signature }), removed)
  await t.throwsAsync(join(token, 'box'), removed)
  await t.throwsAsync(join(await create(), 'box'), removed)
  const fresh = await makeKeyPair()
  const proof = proveKey(fresh.keyPem, { kind: 'join', token })
  const asNew = { token, publicKeyPem: fresh.publicKeyPem, signature: proof, name: 'box', machineId: '' }
  t.not((await joinNode(term, asNew)).membership.holder, membership.holder, 'its name is free again')
})

test('of nodes removed the oldest are forgotten when there are too many', async (t) => {
  const world = new World()
  const term = termOf(world)
  forgetNode(term, 'node-0')
  await world.clock.advance(1)
  for (let index = 1; index < 10_000; index++) forgetNode(term, `node-${index}`)
  t.deepEqual(forgetNode(term, 'one-more').deletes, [keys.membership('node:node-0')])
  t.false(isRemoved(term.memory, 'node-0'))
  t.true(isRemoved(term.memory, 'node-1'))
})
