import { createHash, randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { seededRandom } from '../../common/random.js'
import { type AgentFailpoint, agentFailpoints } from '../../node-agent/failpoints.js'
import { assignmentOf, specOf } from './fixtures/assignments.js'
import type { FakeLeader } from './fixtures/fake-leader.js'
import { makeNodeProcess } from './fixtures/node.js'

const whole = 'building running ended saved finished'
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 1e9))
const random = seededRandom(seed)

/** Points that only a stop or a kill comes to. */
const endingPoints: readonly AgentFailpoint[] = ['ending']

const killed = test.macro(
  async (t: ExecutionContext, runtime: 'dummy' | 'process', point: AgentFailpoint) => {
    const nth = 1 + Math.floor(random.next() * 2)
    t.log(`seed ${seed}, at ${point} for time ${nth}`)
    const { leader, agent } = await makeNodeProcess(t, { runtime })
    agent.start({ failpoint: { name: point, nth } })
    await leader.until(() => leader.hellos.length >= 1)
    const command =
      runtime === 'dummy'
        ? 'echo one; write made it; sleep 0.2; echo two; exit 5'
        : 'echo one; printf it > made; sleep 0.2; echo two; exit 5'
    const all = [1, 2, 3].map((id) => assignmentOf(id, command))
    // What a leader does: it gives a run again to a node that comes back without it.
    leader.onHello = (hello) => {
      for (const assignment of all) {
        const key = `${assignment.id.runId}.1`
        const held = hello.attempts.some(({ id }) => id.runId === assignment.id.runId)
        if (!held && !leader.forgotten.includes(key) && leader.story(assignment.id) === '')
          leader.start(assignment)
      }
    }
    for (const assignment of all) leader.start(assignment)
    await agent.exited()
    agent.start()
    await leader.until(() => all.every(({ id }) => leader.isGone(id)))
    for (const { id } of all) {
      t.is(leader.story(id), whole)
      t.is(leader.logs.get(`${id.runId}.1`)?.toString(), 'one\ntwo\n')
      t.is(leader.outputs.get(`${id.runId}.1`)?.get('made')?.toString(), 'it')
      t.like(leader.reportsOf(id)[2]?.event, { exitCode: 5, endedBy: 'itself' })
      oneContentEach(t, leader, id.runId)
    }
  },
)

/** A number never stands for two different reports. */
function oneContentEach(t: ExecutionContext, leader: FakeLeader, runId: number): void {
  const contents = new Map<number, string>()
  for (const { number, event } of leader.reports.get(`${runId}.1`) ?? []) {
    const text = JSON.stringify(event)
    t.is(contents.get(number) ?? text, text, `report ${number} of run ${runId}`)
    contents.set(number, text)
  }
}

for (const point of agentFailpoints.filter((name) => !endingPoints.includes(name))) {
  test.serial(`killed at ${point}, a run goes on`, killed, 'dummy', point)
  test.serial(`killed at ${point}, a run goes on as a process`, killed, 'process', point)
}

test.serial('killed while it ends a run, the agent ends it after all, as what it was', async (t) => {
  const { leader, agent } = await makeNodeProcess(t, { runtime: 'process' })
  agent.start({ failpoint: { name: 'ending', nth: 1 } })
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(
    1,
    `trap 'echo saving; exit 4' TERM; echo ready; while :; do sleep 0.05; done`,
  )
  leader.start(assignment)
  await leader.until(() => leader.logs.get('1.1')?.toString() === 'ready\n')
  leader.order({ id: assignment.id, wanted: 'stop_and_save', reason: 'stopped by ada' })
  await agent.exited()
  // The leader says nothing more about it.
  agent.start()
  await leader.until(() => leader.isGone(assignment.id))
  t.is(leader.story(assignment.id), whole)
  t.like(leader.reportsOf(assignment.id)[2]?.event, {
    endedBy: 'stop',
    exitCode: 4,
    reason: 'stopped by ada',
  })
})

test.serial(
  'runs that end while the agent is down are reported as they ended, their logs to the byte',
  async (t) => {
    const { leader, agent, folder } = await makeNodeProcess(t, { runtime: 'process' })
    agent.start()
    await leader.until(() => leader.hellos.length >= 1)
    const bytes = randomBytes(3_000_000)
    writeFileSync(join(folder, 'bytes'), bytes)
    const gate = join(folder, 'gate')
    const command = `echo ready; while [ ! -e ${gate} ]; do sleep 0.05; done; cat ${join(folder, 'bytes')}; touch ${gate}.$SPELL_RUN; exit 9`
    const all = [1, 2, 3].map((id) => assignmentOf(id, command, { logLimitBytes: 1 << 30 }))
    for (const assignment of all) leader.start(assignment)
    await leader.until(() =>
      all.every(({ id }) => leader.logs.get(`${id.runId}.1`)?.toString() === 'ready\n'),
    )
    await agent.kill()
    writeFileSync(gate, '')
    while (!all.every(({ id }) => existsSync(`${gate}.${id.runId}`)))
      await new Promise((resolve) => setTimeout(resolve, 20))
    agent.start()
    await leader.until(() => all.every(({ id }) => leader.isGone(id)))
    const wanted = createHash('sha256').update('ready\n').update(bytes).digest('hex')
    for (const { id } of all) {
      t.is(leader.story(id), whole)
      t.like(leader.reportsOf(id)[2]?.event, { exitCode: 9, logBytes: 3_000_006 })
      const log = leader.logs.get(`${id.runId}.1`) ?? ''
      t.is(createHash('sha256').update(log).digest('hex'), wanted)
    }
  },
)

test.serial('what is left of a timeout is kept while the agent is down', async (t) => {
  const { leader, agent } = await makeNodeProcess(t, { runtime: 'process' })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const spec = specOf('sleep 60', { limits: { ...specOf('').limits, timeoutMs: 3_000 } })
  const assignment = assignmentOf(1, '', { spec })
  leader.start(assignment)
  await leader.until(() => leader.story(assignment.id) === 'building running')
  const startedMs = performance.now()
  await agent.kill()
  agent.start()
  await leader.until(() => leader.isGone(assignment.id))
  const ended = leader.reportsOf(assignment.id)[2]
  t.like(ended?.event, { endedBy: 'timeout' })
  t.true(
    (ended?.durationMs ?? 0) >= 2_990 && (ended?.durationMs ?? 0) < performance.now() - startedMs + 1_000,
  )
})
