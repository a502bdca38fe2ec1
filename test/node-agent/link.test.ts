import { existsSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { systemClock } from '../../common/clock.js'
import { attemptKey } from '../../proto/model/attempt.js'
import { AgentProcess } from './fixtures/agent-process.js'
import { assignmentOf } from './fixtures/assignments.js'
import { FakeLeader } from './fixtures/fake-leader.js'
import { makeNode, makeNodeProcess } from './fixtures/node.js'

const whole = 'building running ended saved finished'

test('the hello names the node, its machine and what it offers', async (t) => {
  const { leader, agent } = await makeNode(t, { cpus: 1000, memoryBytes: 5 << 20 })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const hello = leader.hellos[0]
  t.like(hello, { schemaVersion: 1, nodeId: 'n1', name: 'n1', attempts: [], highestRunId: 0, generation: '' })
  t.regex(hello?.bootId ?? '', /^[0-9a-f-]{36}$/)
  t.like(hello?.inventory, { runtime: 'dummy', cpus: 1000, memoryBytes: 5 << 20 })
  t.regex(hello?.inventory.warnings.join() ?? '', /offers 1000 cores; the machine has/)
})

test('answers that come twice change nothing', async (t) => {
  const { leader, agent } = await makeNode(t)
  leader.manner = 'twice'
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'echo a')
  leader.start(assignment)
  leader.start(assignment)
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.story(assignment.id), whole)
  t.is(leader.reports.get('1.1')?.length, 5, 'nothing was sent twice')
})

test('reports are sent again after every break, in order, until they are answered', async (t) => {
  const { leader, agent } = await makeNode(t)
  leader.manner = 'silent'
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'echo a')
  leader.start(assignment)
  await leader.until(() => leader.story(assignment.id) === whole)
  for (let cut = 2; cut <= 4; cut++) {
    leader.cut()
    await leader.until(() => (leader.reports.get('1.1')?.length ?? 0) === 5 * cut)
  }
  t.deepEqual(
    leader.reports
      .get('1.1')
      ?.map(({ number }) => number)
      .slice(-5),
    [1, 2, 3, 4, 5],
  )
  t.like(leader.hellos.at(-1)?.attempts[0], { id: assignment.id, lastReport: 5, released: true, ended: true })
  // The verdict says that the first three were applied long ago.
  leader.verdict = () => ({ wanted: 'keep', lastAppliedReport: 3 })
  leader.manner = 'apply'
  leader.cut()
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.deepEqual(
    leader.reports
      .get('1.1')
      ?.map(({ number }) => number)
      .slice(20),
    [4, 5],
  )
})

test('refused reports are let go of', async (t) => {
  const { leader, agent } = await makeNode(t)
  leader.manner = 'refuse'
  leader.logManner = 'refuse'
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'echo a; sleep infinity')
  leader.start(assignment)
  await leader.until(() => leader.story(assignment.id).includes('running'))
  leader.order({ id: assignment.id, wanted: 'kill', reason: 'it is not the current attempt' })
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.logs.get('1.1'), undefined)
})

test('a log of which a chunk was not taken is sent again from there', async (t) => {
  const { leader, agent } = await makeNode(t)
  leader.logManner = 'miss one'
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  leader.start(assignmentOf(1, 'echo whole'))
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.logs.get('1.1')?.toString(), 'whole\n')
})

test('what was refused is not begun by a repeated order, though there would be room by then', async (t) => {
  const { leader, agent } = await makeNode(t, { maxAttempts: 1 })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const first = assignmentOf(1, 'sleep infinity')
  const refused = assignmentOf(2, 'echo begun')
  leader.start(first)
  await leader.until(() => leader.story(first.id).includes('running'))
  leader.manner = 'silent'
  leader.start(refused)
  await leader.until(() => leader.story(refused.id) === 'failed')
  leader.manner = 'apply'
  leader.order({ id: first.id, wanted: 'kill', reason: 'enough' })
  await leader.until(() => leader.forgotten.includes('1.1'))
  leader.start(refused)
  leader.cut()
  await leader.until(() => leader.forgotten.includes('2.1'))
  t.is(leader.story(refused.id), 'failed')
  t.is(leader.logs.get('2.1'), undefined)
})

test('an agent goes where the leader is said to be', async (t) => {
  const { leader, agent, trust } = await makeNode(t)
  const other = new FakeLeader(trust)
  await other.listen()
  t.teardown(() => other.close())
  leader.leaderAddress = other.address
  agent.start()
  await other.until(() => other.heartbeats > 1)
  t.is(leader.hellos.length, 0)
})

test('the coordinators that a hello names are tried when the leader is gone, after a restart too', async (t) => {
  const { leader, agent, trust } = await makeNode(t)
  const other = new FakeLeader(trust)
  await other.listen()
  t.teardown(() => other.close())
  leader.coordinators = [other.address]
  agent.start()
  await leader.until(() => leader.heartbeats > 1)
  leader.close()
  await other.until(() => other.hellos.length >= 1)
  await agent.stop()
  agent.start()
  await other.until(() => other.hellos.length >= 2)
  t.is(other.hellos[1]?.generation, 'one')
})

test('a leader that acknowledges nothing is left after a few heartbeats', async (t) => {
  const { leader, agent } = await makeNode(t, { missedHeartbeats: 3 })
  leader.answersHeartbeats = false
  agent.start()
  await leader.until(() => leader.hellos.length >= 3)
  t.pass()
})

test('an order about an attempt that is not here is answered by saying so', async (t) => {
  const { leader, agent } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  leader.order({ id: { runId: 5, attempt: 2 }, wanted: 'kill' })
  await leader.until(() => leader.forgotten.includes('5.2'))
  t.pass()
})

test('an attempt that the leader does not know is described and goes on', async (t) => {
  const { leader, agent } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'sleep infinity', { gpuUuids: ['GPU-1'], creator: 'grace' })
  leader.start(assignment)
  await leader.until(() => leader.story(assignment.id).includes('running'))
  leader.verdict = () => ({ wanted: 'describe' })
  leader.cut()
  await leader.until(() => leader.described.length === 1)
  t.deepEqual(leader.described[0], assignment)
  leader.order({ id: assignment.id, wanted: 'stop_and_save', reason: 'enough' })
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.story(assignment.id), whole)
})

test('silence ends nothing; a replaceable attempt alone is ended in time', async (t) => {
  const { leader, agent, dataDir } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const stays = assignmentOf(1, 'sleep infinity')
  const replaceable = { replaceable: true, lostAfterMs: 8_000, graceMs: 3_000 }
  const goes = assignmentOf(2, 'trap 0.2 ckpt whole; sleep infinity', replaceable)
  leader.start(stays)
  leader.start(goes)
  const { id } = goes
  await leader.until(() => leader.story(id).includes('running') && leader.story(stays.id).includes('running'))
  leader.leaderAddress = '127.0.0.1:9'
  leader.cut()
  // Nobody leads until the end has come.
  const checkpoint = join(dataDir, 'attempts/2.1/spell/ckpt')
  while (!existsSync(checkpoint)) await systemClock.sleep(50)
  leader.leaderAddress = undefined
  await leader.until(() => leader.story(id).includes('ended'))
  const ended = leader.reportsOf(id).find(({ event }) => event.kind === 'ended')
  t.like(ended?.event, { endedBy: 'fence', exitCode: 0 })
  t.is(leader.story(stays.id), 'building running')
  t.true(leader.hellos.at(-1)?.attempts.some((held) => attemptKey(held.id) === '1.1' && !held.released))
})

test('code and outputs that a coordinator refuses as it leads no more go to the next that leads', async (t) => {
  const { leader, agent } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'write model weights')
  leader.leadsNoMore = true
  leader.start(assignment)
  await leader.until(() => leader.messages.includes('outputs refused'))
  leader.leadsNoMore = false
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.story(assignment.id), whole)
  t.is(leader.outputs.get('1.1')?.get('model')?.toString(), 'weights')
  const code = {
    kind: 'synced' as const,
    ...{ repositoryName: 'r', workingDirectory: '', commitHash: 'b'.repeat(40) },
    ...{ treeHash: 'c'.repeat(40), packSha256: 'a'.repeat(64), commitSubject: '' },
  }
  leader.leadsNoMore = true
  leader.start(assignmentOf(2, 'true', { spec: { ...assignment.spec, code } }))
  await leader.until(() => leader.messages.includes('code refused'))
  leader.leadsNoMore = false
  await leader.until(() => leader.story({ runId: 2, attempt: 1 }).includes('failed'))
  const failed = leader.reportsOf({ runId: 2, attempt: 1 }).at(-1)?.event
  t.regex(failed?.kind === 'failed' ? failed.reason : '', /There is no object/)
})

test('two agents do not share a folder, and a killed one does not keep it', async (t) => {
  const node = await makeNodeProcess(t)
  node.agent.start()
  await node.leader.until(() => node.leader.hellos.length >= 1)
  const second = new AgentProcess(node.folder, node.settings)
  second.start()
  t.deepEqual(await second.exited(), { code: 1, signal: null })
  await node.agent.kill()
  node.agent.start()
  await node.leader.until(() => node.leader.hellos.length >= 2)
})

test('at SIGTERM the agent ends at once and leaves its runs', async (t) => {
  const { leader, agent } = await makeNodeProcess(t, { runtime: 'process' })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'echo ready; while [ ! -e go ]; do sleep 0.05; done; echo done')
  leader.start(assignment)
  await leader.until(() => leader.logs.get('1.1')?.toString() === 'ready\n')
  await leader.until(() => leader.story(assignment.id) === 'building running')
  await agent.kill('SIGTERM')
  t.deepEqual(await agent.exited(), { code: 0, signal: null })
  agent.start()
  await leader.until(() => leader.hellos.length >= 2)
  t.is(leader.story(assignment.id), 'building running')
  leader.order({ id: assignment.id, wanted: 'kill' })
  await leader.until(() => leader.forgotten.includes('1.1'))
})
