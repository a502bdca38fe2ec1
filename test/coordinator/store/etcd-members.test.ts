import test from 'ava'
import { type Etcd, EtcdError } from '../../../coordinator/store/etcd.js'
import { connectMembers, type EtcdMemberFixture, startEtcdMembers } from '../../fixtures/etcd-members.js'
import { pauseProcess, resumeProcess } from '../../fixtures/pause.js'

/** As the commit queue does: an unknown outcome is asked about again, a refusal is not. Says how often it had to. */
async function put(etcd: Etcd, key: string): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    try {
      await etcd.transact({ compares: [], puts: [{ key, value: 'x' }] })
      return tries
    } catch (error) {
      if (!(error instanceof EtcdError) || error.outcome === 'refused' || tries > 20) throw error
    }
  }
}

async function leaderFirst(members: readonly EtcdMemberFixture[]): Promise<readonly EtcdMemberFixture[]> {
  const leads = await Promise.all(members.map((member) => member.leads()))
  return [...members.filter((_, at) => leads[at]), ...members.filter((_, at) => !leads[at])]
}

test('a member that was never there costs no call', async (t) => {
  const [leader, away] = await leaderFirst(await startEtcdMembers(t))
  if (!leader || !away) return t.fail()
  await away.kill()
  t.is(await put(connectMembers(t, [away, leader]), 'a'), 0)
})

test('when the member in use is killed the next call is answered by another', async (t) => {
  const [leader, ...others] = await leaderFirst(await startEtcdMembers(t))
  const [used, third] = others
  if (!leader || !used || !third) return t.fail()
  const etcd = connectMembers(t, [used, third, leader])
  t.is(await put(etcd, 'a'), 0)
  await used.kill()
  t.true((await put(etcd, 'b')) <= 1)
  t.is(await put(etcd, 'c'), 0)
})

test('when the member that leads is killed, writes go on once another does', async (t) => {
  const [leader, second, third] = await leaderFirst(await startEtcdMembers(t))
  if (!leader || !second || !third) return t.fail()
  const etcd = connectMembers(t, [leader, second, third])
  const { leaseId } = await etcd.grantLease(60)
  await leader.kill()
  t.true((await put(etcd, 'a')) <= 3)
  t.true((await etcd.keepLeaseAlive(leaseId)) > 0)
})

test('a member that hangs is left after one call, and is good again later', async (t) => {
  const [leader, ...others] = await leaderFirst(await startEtcdMembers(t))
  const [used, third] = others
  if (!leader || !used || !third) return t.fail()
  const etcd = connectMembers(t, [used, third])
  t.is(await put(etcd, 'a'), 0)
  await pauseProcess(used.pid)
  await t.throwsAsync(etcd.transact({ compares: [], puts: [{ key: 'b', value: 'x' }] }, { timeoutMs: 500 }), {
    instanceOf: EtcdError,
  })
  t.is(await put(etcd, 'c'), 0)
  resumeProcess(used.pid)
  await third.kill()
  t.true((await put(etcd, 'd')) <= 1)
})
