import test from 'ava'
import { systemClock } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import { noFailpoints } from '../../common/failpoint.js'
import { silentLog } from '../../common/log.js'
import { seededRandom } from '../../common/random.js'
import { Attempt } from '../../node-agent/attempts/attempt.js'
import { live } from '../../node-agent/attempts/life.js'
import { makeBootClock } from '../../node-agent/boot-clock.js'
import { Journal, journalDefaults } from '../../node-agent/journal/journal.js'
import type { Step } from '../../node-agent/steps/step.js'
import type { StepParts } from '../../node-agent/steps/step-parts.js'
import type { Steps } from '../../node-agent/steps/steps.js'
import type { ReportEvent } from '../../proto/model/attempt.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'
import { assignmentOf } from './fixtures/assignments.js'

/** A Docker container that the engine has made and could not start: asked about its end it says so, again and again. */
test('a task that was made and could not be started has failed, and is taken away first', async (t) => {
  const folder = await temporaryFolder(t)
  const boot = makeBootClock(systemClock, { bootId: 'b', uptimeMs: () => 0 })
  const journal = await Journal.open(
    { ...journalDefaults, folder: `${folder}/journal` },
    { clock: systemClock, failpoints: noFailpoints, onFailure: () => t.fail() },
  )
  t.teardown(() => journal.close())
  const told: ReportEvent[] = []
  const assigned = { assignment: assignmentOf(1, 'true'), bootId: boot.bootId, atMs: boot.now() }
  const attempt = new Attempt(
    { assigned },
    { attemptsFolder: folder, journal, boot, onReport: ({ event }) => told.push(event), onLine() {} },
  )
  await attempt.assign()
  const calls: string[] = []
  const runtime = {
    kill: async () => calls.push('kill'),
    inspect: async () => 'absent',
    remove: async () => calls.push('remove'),
    async wait() {
      throw new RpcError('FAILED_PRECONDITION', 'The command was never started.')
    },
  }
  const parts = {
    ...{ runtime, boot, clock: systemClock, random: seededRandom(1), log: silentLog },
    ...{ settings: { logLimitBytes: 1, baseEnvironment: {} }, logs: { finish() {} } },
  } as unknown as StepParts
  const step: Step = {
    name: 'running',
    reportedAs: 'running',
    down: async () => undefined,
    async up() {
      await attempt.noteStarting({ workingDirectory: '', imageDigest: undefined, owner: undefined })
      throw new RpcError('FAILED_PRECONDITION', 'The container does not start.')
    },
  }
  const steps: Steps = { after: () => [step], downwards: [step] }
  await live(attempt, steps, parts)
  t.deepEqual(calls, ['kill', 'remove'])
  t.like(told.at(-1), { kind: 'failed', step: 'running', reason: 'The container does not start.' })
  t.true(attempt.released)
})
