import { createHash, randomUUID } from 'node:crypto'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import anyTest, { type TestFn } from 'ava'
import { messageOf, RpcError } from '../../../common/errors.js'
import { silentLog } from '../../../common/log.js'
import { makeKeys } from '../../../coordinator/store/keys.js'
import { runSpecToWire } from '../../../proto/convert/run-spec.js'
import type { ClusterInfo__Output } from '../../../proto/gen/spell/v1/ClusterInfo.js'
import type { ListRunsResponse__Output } from '../../../proto/gen/spell/v1/ListRunsResponse.js'
import type { Run__Output } from '../../../proto/gen/spell/v1/Run.js'
import type { SubmitResponse__Output } from '../../../proto/gen/spell/v1/SubmitResponse.js'
import { type Method, method } from '../../../proto/wire.js'
import { markPath } from '../../../spellfs/store-mark.js'
import { adminToken, type ClusterFixture, startCluster } from '../../fixtures/coordinator.js'
import { plainSpec } from '../../fixtures/full-spec.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'
import { untilLed } from './until-led.js'

const test = anyTest as TestFn<{ cluster: ClusterFixture }>

const submit: Method<unknown, SubmitResponse__Output> = method('Runs', 'Submit')
const get: Method<unknown, Run__Output> = method('Runs', 'Get')
const list: Method<unknown, ListRunsResponse__Output> = method('Runs', 'List')
const getCluster: Method<unknown, ClusterInfo__Output> = method('Cluster', 'Get')

test.before(async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  t.context = { cluster }
  await untilLed(cluster.users())
})
test.after.always(async (t) => {
  await t.context.cluster?.stop()
})

const request = () => ({ requestId: randomUUID(), spec: runSpecToWire(plainSpec) })

test.serial('a run is accepted on every coordinator, and found again', async (t) => {
  const { cluster } = t.context
  for (const { userAddress } of cluster.coordinators) {
    const channel = cluster.users({ addresses: [userAddress] })
    const { runId } = await channel.call(submit, request())
    const run = await channel.call(get, { runId })
    t.is(run.creator, 'ada')
    t.is(run.spec?.command, 'echo hi')
  }
})

test.serial('the same request is answered with the same run', async (t) => {
  const channel = t.context.cluster.users()
  const once = request()
  const first = await channel.call(submit, once)
  const again = await channel.call(submit, once)
  t.is(again.runId, first.runId)
  t.true(again.repeatedRequest)
  const other = { ...once, spec: { ...once.spec, command: 'something else' } }
  const error = await t.throwsAsync(channel.call(submit, other), { instanceOf: RpcError })
  t.is(error?.code, 'ALREADY_EXISTS')
})

test.serial('the cluster says who leads', async (t) => {
  const { cluster } = t.context
  const info = await cluster.users().call(getCluster, {})
  t.is(info.name, 'test')
  t.is(info.coordinators.filter(({ leader }) => leader).length, 1)
})

test.serial('runs are listed newest first, page by page', async (t) => {
  const channel = t.context.cluster.users()
  for (let count = 0; count < 5; count += 1) await channel.call(submit, request())
  const ids: number[] = []
  let pageToken = ''
  do {
    const page = await channel.call(list, { pageSize: 2, pageToken })
    t.true(page.runs.length <= 2)
    ids.push(...page.runs.map(({ id }) => id))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  t.deepEqual(
    ids,
    [...ids].sort((a, b) => b - a),
  )
  t.is(new Set(ids).size, Math.max(...ids))
})

test('a token of the settings that etcd has lost is put again by the next leader', async (t) => {
  const cluster = await startCluster({ coordinators: 2 })
  t.teardown(() => cluster.stop())
  await untilLed(cluster.users())
  const { coordinators } = await cluster.users().call(getCluster, {})
  const token = makeKeys('spell/').token(createHash('sha256').update(adminToken).digest('hex'))
  await cluster.etcd.connect().transact({ compares: [], puts: [], deletes: [token] })
  const leaderId = coordinators.find(({ leader }) => leader)?.id
  await cluster.coordinators.find(({ id }) => id === leaderId)?.stop()
  await t.notThrowsAsync(untilLed(cluster.users()))
})

test('a new cluster whose store cannot be used is led by nobody until it can', async (t) => {
  const storeDir = await temporaryFolder(t)
  const other = join(storeDir, 'something-else')
  writeFileSync(other, '')
  let failed = () => {}
  const termFailed = new Promise<void>((resolve) => {
    failed = resolve
  })
  const error = (sentence: string) => {
    if (sentence === 'This term has failed') failed()
  }
  const cluster = await startCluster({ settings: { storeDir }, log: { ...silentLog, error } })
  t.teardown(() => cluster.stop())
  await Promise.race([termFailed, untilLed(cluster.users())])
  const refused = () =>
    cluster
      .users()
      .call(getCluster, {})
      .then(() => undefined, messageOf)
  t.regex((await refused()) ?? 'nothing was refused', /cannot become the store: it is not empty/)
  rmSync(other)
  while ((await refused()) !== undefined);
  t.true(existsSync(join(storeDir, markPath)))
})

test('a coordinator that is too old for what etcd holds says which version it reads', async (t) => {
  const cluster = await startCluster()
  t.teardown(() => cluster.stop())
  await untilLed(cluster.users())
  const etcd = cluster.etcd.connect()
  const { setting, leader } = makeKeys('spell/')
  const puts = [{ key: setting('later'), value: '{"v":2,"name":"later"}' }]
  await etcd.transact({ compares: [], puts, deletes: [leader] })
  const error = await t.throwsAsync(untilLed(cluster.users()), { code: 'FAILED_PRECONDITION' })
  t.regex(error?.message ?? '', /setting\/later has schema version 2; this coordinator reads 1/)
})
