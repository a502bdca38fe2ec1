import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../common/clock.js'
import { type Pool, startPool } from './lost-nodes/pool.js'
import { suspendMachine } from './lost-nodes/suspend.js'

// On the machines of docs/cluster.md: a node is cut off for three times as long as the leader waits for it, a node loses
// its power, a node is suspended. What may be repeated is, with one attempt that counts; what may not goes on, or is
// Interrupted where its machine has forgotten it.

const short = process.env.SPELL_SHORT !== undefined
const lostAfterMs = short ? 15_000 : 60_000
const limits = { lostAfterMs, graceMs: short ? 2_000 : 10_000 }

test.serial('a node that is cut off, rebooted or suspended costs no run more than it must', async (t) => {
  t.timeout(short ? 600_000 : 1_800_000)
  const pool = await startPool(t, limits)
  const ended = [...(await cutOffForLong(t, pool)), ...(await reboot(t, pool)), ...(await suspended(t, pool))]
  // Whatever the old attempts' nodes have told since has changed nothing.
  for (const [runId, attempt] of ended) await pool.isWhole(t, runId, attempt)
})

/** Runs that came to their end, and the attempt that counts. */
type EndedRuns = readonly (readonly [runId: number, attempt: number])[]

async function cutOffForLong(t: ExecutionContext, pool: Pool): Promise<EndedRuns> {
  const { work } = pool
  const node = pool.machine('gpu-1')
  const [plain = 0, deaf = 0, saving = 0] = await pool.place('gpu-1', ['plain', 'deaf', 'saving'])
  node.cutCable()
  const cutAt = systemClock.monotonic()
  for (const runId of [deaf, saving]) {
    const begunAt = await work.begun(`${runId}.2`)
    const { states, notes } = await pool.info(runId)
    const repeatedAt = Date.parse(
      states.findLast(({ state }) => state === 'machine_requested')?.entered_at ?? '',
    )
    const endedAt = work.lastSign(`${runId}.1`)
    t.log(
      `run ${runId} (cut off) ended ${seconds(repeatedAt - endedAt)} before it was given up, ${seconds(begunAt - endedAt)} before its next attempt`,
    )
    t.true(endedAt < repeatedAt && repeatedAt < begunAt, `${endedAt} ${repeatedAt} ${begunAt}`)
    t.regex(notes.join(), /^attempt 1 was lost: .*gpu-1/)
  }
  t.deepEqual(work.processesOn(node, 'deaf', 'saving'), [])
  await systemClock.sleep(Math.max(0, 3 * lostAfterMs - (systemClock.monotonic() - cutAt)))
  t.regex(await pool.spell('ps'), new RegExp(`^${plain} .*Running \\(gpu-1 unreachable for `, 'm'))
  await work.nextSign(`${plain}.1`)
  node.mendCable()
  await pool.connected('gpu-1')
  await work.nextSign(`${plain}.1`)
  await pool.endsWhole(t, plain, 1)
  for (const runId of [deaf, saving]) await pool.endsWhole(t, runId, 2)
  return [
    [plain, 1],
    [deaf, 2],
    [saving, 2],
  ]
}

async function reboot(t: ExecutionContext, pool: Pool): Promise<EndedRuns> {
  const node = pool.machine('gpu-2')
  const [plain = 0, replaceable = 0] = await pool.place('gpu-2', ['plain', 'saving'])
  await node.switchOff()
  await node.switchOn()
  await node.start('spell node start').until(/: started/)
  await t.throwsAsync(pool.spell(`wait ${plain}`), { message: /interrupted/i })
  const reason = 'The machine was started anew while the run was going on.'
  t.like(await pool.info(plain), { state: 'interrupted', reason, attempt: 1 })
  t.regex(await pool.spell(`info ${plain}`), new RegExp(`^Reason +${reason}$`, 'm'))
  t.regex(await pool.spell('ps'), new RegExp(`^${plain} .*Interrupted`, 'm'))
  await pool.work.begun(`${replaceable}.2`)
  t.deepEqual((await pool.info(replaceable)).notes, [`attempt 1 was lost: ${reason}`])
  await pool.endsWhole(t, replaceable, 2)
  const [after = 0] = await pool.place('gpu-2', ['plain'])
  await pool.endsWhole(t, after, 1)
  return [
    [replaceable, 2],
    [after, 1],
  ]
}

async function suspended(t: ExecutionContext, pool: Pool): Promise<EndedRuns> {
  const { work } = pool
  const [plain = 0, deaf = 0, ending = 0] = await pool.place('gpu-3', ['plain', 'deaf', 'saving'])
  const node = pool.machine('gpu-3')
  const wake = await suspendMachine(node)
  for (const runId of [deaf, ending]) await work.begun(`${runId}.2`)
  // This one has nothing more to do when it wakes than to leave its result, before anybody can end it.
  work.openGate(`${ending}.1`)
  wake()
  await pool.connected('gpu-3')
  await work.nextSign(`${plain}.1`)
  // Its agent ends what had been given up, though that does not hear SIGTERM.
  while (work.processesOn(node, 'deaf', 'saving').length > 0) await systemClock.sleep(100)
  await pool.endsWhole(t, plain, 1)
  for (const runId of [deaf, ending]) await pool.endsWhole(t, runId, 2)
  return [
    [plain, 1],
    [deaf, 2],
    [ending, 2],
  ]
}

const seconds = (ms: number) => `${Math.round(ms / 100) / 10} s`
