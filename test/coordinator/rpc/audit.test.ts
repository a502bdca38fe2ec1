import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { AuditEntry__Output } from '../../../proto/gen/spell/v1/AuditEntry.js'
import type { ClusterInfo__Output } from '../../../proto/gen/spell/v1/ClusterInfo.js'
import { type Method, method } from '../../../proto/wire.js'
import { startCluster } from '../../fixtures/coordinator.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { untilLed } from './until-led.js'

const auditOf: Method<object, AuditEntry__Output> = method('Keeping', 'Audit')
const getCluster: Method<object, ClusterInfo__Output> = method('Cluster', 'Get')

test('what was changed and who was refused is in the audit log of the leader, without commands and values', async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  t.teardown(() => cluster.stop())
  await untilLed(cluster.users())
  const { leaderId } = await cluster.users().call(getCluster, {})
  const addressOf = (wanted: boolean) =>
    cluster.coordinators
      .filter(({ id }) => (id === leaderId) === wanted)
      .map(({ userAddress }) => userAddress)
  const [toLeader, toFollower] = [true, false].map((wanted) =>
    cluster.users({ addresses: addressOf(wanted) }),
  )
  if (!toLeader || !toFollower) throw new Error('there are two')

  const spec = runSpecToWire({
    ...plainSpec,
    command: 'echo the-command',
    env: [{ name: 'KEY', value: 'the-value' }],
  })
  await toLeader.call(method('Runs', 'Submit'), { requestId: randomUUID(), spec })
  await toFollower.call(method('Runs', 'Kill'), { runIds: [1, 77] })
  await toLeader.call(method('Runs', 'Get'), { runId: 1 })
  const stranger = cluster.users({ addresses: addressOf(true), token: 'the-wrong-token' })
  await t.throwsAsync(stranger.call(method('Runs', 'Kill'), { runIds: [1] }))
  await t.throwsAsync(toLeader.call(method('Cluster', 'SetUser'), { name: 'nobody', maxConcurrentRuns: 1 }))

  const entries: AuditEntry__Output[] = []
  for await (const entry of toLeader.serverStream(auditOf, { limit: 10 })) entries.push(entry)
  t.deepEqual(
    entries.map(({ user, method, status, about }) => [user, method, status, about]),
    [
      ['ada', 'Runs/Submit', 'OK', { runId: '1' }],
      ['ada', 'Runs/Kill', 'OK', { runIds: '1 77', done: '1' }],
      ['', 'Runs/Kill', 'UNAUTHENTICATED', {}],
      ['ada', 'Cluster/SetUser', 'NOT_FOUND', { name: 'nobody', maxConcurrentRuns: '1' }],
    ],
  )
  const [submitted, killed, refused] = entries
  t.regex(submitted?.address ?? '', /^127\.0\.0\.1:\d+$/)
  t.is(submitted?.via, '')
  t.regex(killed?.via ?? '', /^127\.0\.0\.1:\d+$/)
  t.not(killed?.via, killed?.address)
  t.regex(refused?.reason ?? '', /does not know the token/)
  t.is(refused?.coordinatorId, leaderId)
  const ofAda: AuditEntry__Output[] = []
  for await (const entry of toFollower.serverStream(auditOf, { user: 'ada', limit: 1 })) ofAda.push(entry)
  t.deepEqual(
    ofAda.map(({ method }) => method),
    ['Cluster/SetUser'],
  )
  const text = await readFile(join(cluster.folder, leaderId, 'audit/audit.jsonl'), 'utf8')
  t.notRegex(text, /the-command|the-value|the-wrong-token|the-admins-token/)
})
