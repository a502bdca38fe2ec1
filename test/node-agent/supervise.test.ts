import { setImmediate as nextTurn } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { systemClock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { noFailpoints } from '../../common/failpoint.js'
import { silentLog } from '../../common/log.js'
import { seededRandom } from '../../common/random.js'
import { Attempt } from '../../node-agent/attempts/attempt.js'
import { makeBootClock } from '../../node-agent/boot-clock.js'
import { Journal, journalDefaults } from '../../node-agent/journal/journal.js'
import type { StepParts } from '../../node-agent/steps/step-parts.js'
import { superviseTask } from '../../node-agent/steps/supervise.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import { FakeClock } from '../fakes/fake-clock.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { assignmentOf } from './fixtures/assignments.js'

const graceMs = 60_000
const seed = 1

/** A task that is deaf to SIGTERM, below an engine that can be away; it tells when which signal came through. */
class DeafTask {
  readonly heard: (readonly [signal: string, atMs: number])[] = []
  away = true
  readonly #clock: FakeClock
  #end: () => void = () => undefined

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  async terminate(_id: AttemptId): Promise<void> {
    this.#hear('SIGTERM')
  }

  async kill(_id: AttemptId): Promise<void> {
    this.#hear('SIGKILL')
    this.#end()
  }

  wait(): Promise<{ exitCode: number; outOfMemory: boolean }> {
    return new Promise((resolve) => {
      this.#end = () => resolve({ exitCode: 137, outOfMemory: false })
    })
  }

  #hear(signal: string): void {
    if (this.away) throw new RpcError('UNAVAILABLE', 'The engine is away.')
    this.heard.push([signal, this.#clock.monotonic()])
  }
}

async function supervised(t: ExecutionContext) {
  t.log(`seed ${seed}`)
  const clock = new FakeClock()
  const folder = await temporaryFolder(t)
  const boot = makeBootClock(clock, { bootId: 'b', uptimeMs: () => clock.monotonic() })
  const journal = await Journal.open(
    { ...journalDefaults, folder: `${folder}/journal` },
    { clock: systemClock, failpoints: noFailpoints, onFailure: () => t.fail() },
  )
  t.teardown(() => journal.close())
  const assigned = { assignment: assignmentOf(1, 'train', { graceMs }), bootId: 'b', atMs: boot.now() }
  const listeners = { onReport() {}, onLine() {} }
  const attempt = new Attempt({ assigned }, { attemptsFolder: folder, journal, boot, ...listeners })
  await attempt.assign()
  await attempt.noteStarting({ workingDirectory: '', imageDigest: undefined, owner: undefined })
  const runtime = new DeafTask(clock)
  const parts = {
    ...{ runtime, boot, clock, random: seededRandom(seed), log: silentLog, failpoints: noFailpoints },
    ...{ settings: { diskLimitBytes: 0 } },
  } as unknown as StepParts
  return { clock, attempt, runtime, end: superviseTask(attempt, parts) }
}

test('the grace of a stop begins when the task was told, however long the engine was away', async (t) => {
  const { clock, attempt, runtime, end } = await supervised(t)
  await attempt.wish({ kind: 'stop', endedBy: 'stop', reason: 'by ada', graceMs })
  await clock.advance(10 * graceMs)
  t.deepEqual(runtime.heard, [])
  runtime.away = false
  await clock.advance(graceMs / 2)
  t.deepEqual(
    runtime.heard.map(([signal]) => signal),
    ['SIGTERM'],
  )
  await clock.advance(graceMs)
  t.like(await end, { exitCode: 137, stopped: { reason: 'by ada' } })
  const [told = 0, killed = 0] = runtime.heard.map(([, atMs]) => atMs)
  t.true(Math.abs(killed - told - graceMs) < 1)
  t.is(clock.pending, 0)
})

test('a kill waits for no grace and for no SIGTERM', async (t) => {
  const { clock, attempt, runtime, end } = await supervised(t)
  await attempt.wish({ kind: 'stop', endedBy: 'stop', reason: 'by ada', graceMs })
  await clock.advance(graceMs)
  await attempt.wish({ kind: 'kill', reason: 'at once' })
  runtime.away = false
  await clock.advance(10_000)
  await t.throwsAsync(end, { message: /at once/ })
  await nextTurn()
  t.true(runtime.heard.some(([signal]) => signal === 'SIGKILL'))
})
