import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { assignmentOf } from './fixtures/assignments.js'
import { makeNode } from './fixtures/node.js'

const whole = 'building running ended saved finished'
const asRoot = process.getuid?.() === 0 ? test.serial : test.serial.skip

asRoot('a run that fills the disk is told as it ended, and another is refused with the reason', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'spell-full-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder])
  const { leader, agent } = await makeNode(
    {
      teardown: (action) =>
        t.teardown(async () => {
          await action()
          execFileSync('umount', [folder])
          rmSync(folder, { recursive: true })
        }),
    },
    { runtime: 'process', dataDir: join(folder, 'data'), journal: { segmentBytes: 1 << 17 } },
  )
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const fills = assignmentOf(
    1,
    "trap 'exit 3' TERM; echo begun; head -c 50000000 /dev/zero > big; while :; do sleep 0.05; done",
    // Nobody waits for that: the command is told at once, although nothing can be noted any more.
    { graceMs: 3_600_000 },
  )
  leader.start(fills)
  await leader.until(() => leader.logs.get('1.1')?.toString().startsWith('begun') ?? false)
  while (statfsSync(folder).bavail > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  const comesTooLate = assignmentOf(2, 'echo more')
  leader.start(comesTooLate)
  await leader.until(() => leader.story(comesTooLate.id).includes('failed'))
  const failed = leader.reportsOf(comesTooLate.id).at(-1)
  t.like(failed, { released: true, event: { kind: 'failed', killed: false, lost: false } })
  t.regex(failed?.event.kind === 'failed' ? failed.event.reason : '', /disk/)
  leader.order({ id: fills.id, wanted: 'stop_and_save', reason: 'enough' })
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.is(leader.story(fills.id), whole)
  t.like(leader.reportsOf(fills.id)[2]?.event, { endedBy: 'stop', exitCode: 3 })
  t.true((leader.outputs.get('1.1')?.get('big')?.length ?? 0) > 1_000_000)
  // There is space again.
  const next = assignmentOf(3, 'echo fine')
  leader.start(next)
  await leader.until(() => leader.forgotten.includes('3.1'))
  t.is(leader.story(next.id), whole)
})

test('what ran when the machine was started anew is lost; what had ended before goes on', async (t) => {
  const { leader, agent } = await makeNode(t)
  leader.storeIsAway = true
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const runs = assignmentOf(1, 'echo half; sleep infinity')
  const saves = assignmentOf(2, 'write model weights')
  leader.start(runs)
  leader.start(saves)
  await leader.until(
    () => leader.story(runs.id) === 'building running' && leader.story(saves.id) === 'building running ended',
  )
  await agent.stop()
  leader.storeIsAway = false
  agent.start({}, 'another-boot')
  await leader.until(() => leader.forgotten.length === 2)
  t.is(leader.story(runs.id), 'building running failed')
  t.like(leader.reportsOf(runs.id).at(-1)?.event, { lost: true, killed: false, logBytes: 5 })
  t.is(leader.logs.get('1.1')?.toString(), 'half\n')
  t.is(leader.story(saves.id), whole)
})

test('a run that someone else removed is lost', async (t) => {
  const { leader, agent, dataDir } = await makeNode(t)
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const assignment = assignmentOf(1, 'sleep infinity')
  leader.start(assignment)
  await leader.until(() => leader.story(assignment.id) === 'building running')
  await agent.stop()
  rmSync(join(dataDir, 'attempts/1.1/control/dummy.json'))
  agent.start()
  await leader.until(() => leader.forgotten.includes('1.1'))
  t.like(leader.reportsOf(assignment.id).at(-1)?.event, { kind: 'failed', lost: true, step: 'running' })
})

test('a log goes on where it stopped when the stream of logs breaks', async (t) => {
  const { leader, agent } = await makeNode(t, { runtime: 'process' })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const count = 30_000
  const assignment = assignmentOf(1, `seq ${count}`, { logLimitBytes: 1 << 30 })
  leader.start(assignment)
  for (let cut = 0; cut < 3; cut++) {
    await leader.until(() => (leader.logs.get('1.1')?.length ?? 0) > cut * 40_000)
    leader.cutLogs()
  }
  await leader.until(() => leader.forgotten.includes('1.1'))
  const wanted = Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('')
  t.true(leader.logs.get('1.1')?.toString() === wanted)
})

test('each line is with the leader before the next one is printed', async (t) => {
  const { leader, agent } = await makeNode(t, { runtime: 'process' })
  agent.start()
  await leader.until(() => leader.hellos.length >= 1)
  const folder = mkdtempSync(join(tmpdir(), 'spell-lines-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const next = join(folder, 'next-')
  // It prints the next line when the test has the one before.
  const assignment = assignmentOf(
    1,
    `for i in 1 2 3; do echo line $i; until [ -e ${next}$i ]; do sleep 0.05; done; done`,
  )
  leader.start(assignment)
  for (const line of [1, 2, 3]) {
    await leader.until(() => leader.logs.get('1.1')?.toString().includes(`line ${line}\n`) ?? false)
    t.false(leader.story(assignment.id).includes('ended'))
    writeFileSync(`${next}${line}`, '')
  }
  await leader.until(() => leader.forgotten.includes('1.1'))
})
