import test from 'ava'
import { systemClock } from '../../common/clock.js'
import { noFailpoints } from '../../common/failpoint.js'
import { silentLog } from '../../common/log.js'
import { Attempt } from '../../node-agent/attempts/attempt.js'
import type { Intent } from '../../node-agent/attempts/intent.js'
import { live } from '../../node-agent/attempts/life.js'
import { systemBootClock } from '../../node-agent/boot-clock.js'
import { Journal, journalDefaults } from '../../node-agent/journal/journal.js'
import type { StepParts } from '../../node-agent/steps/step-parts.js'
import type { Steps } from '../../node-agent/steps/steps.js'
import type { Report } from '../../proto/model/attempt.js'
import { plainSpec } from '../fixtures/full-spec.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

const id = { runId: 1, attempt: 1 }

const theCommandEndsWhile = test.macro({
  title: (_, kind: Intent['kind'], cancelled: boolean) =>
    `a ${kind} that becomes durable just as the command ends ${cancelled ? 'cancels' : 'leaves alone'} the saving`,
  async exec(t, kind: Intent['kind'], cancelled: boolean) {
    const folder = await temporaryFolder(t)
    const attempt = await runningAttempt(folder)
    const wished = attempt.wish(
      kind === 'kill'
        ? { kind, reason: 'by its owner' }
        : { kind, reason: 'by its owner', endedBy: 'stop', graceMs: 1000 },
    )
    const ended = attempt.report(
      { kind: 'ended', exitCode: 0, outOfMemory: false, endedBy: 'itself', logBytes: 0, reason: '' },
      { released: true },
    )
    await Promise.all([wished, ended])
    t.is(attempt.work.aborted, cancelled)
  },
})

test(theCommandEndsWhile, 'stop', false)
test(theCommandEndsWhile, 'kill', true)

for (const [who, endedBy, event] of [
  ['fenced', 'fence', { killed: false, lost: true }],
  ['stopped by its owner', 'stop', { killed: true, lost: false }],
] as const)
  test(`an attempt that is ${who} before its command may run tells so`, async (t) => {
    const reports: Report[] = []
    const attempt = await assignedAttempt(await temporaryFolder(t), (report) => reports.push(report))
    await attempt.wish({ kind: 'stop', endedBy, reason: 'early', graceMs: 1000 })
    const parts = { log: silentLog, logs: { finish() {} }, settings: {} } as unknown as StepParts
    await live(attempt, { after: () => [{ up: async () => undefined }] } as unknown as Steps, parts)
    t.like(reports.at(-1), { released: true, event: { kind: 'failed', reason: 'early', ...event } })
  })

async function runningAttempt(folder: string): Promise<Attempt> {
  const attempt = await assignedAttempt(folder, () => undefined)
  await attempt.noteStarting({ workingDirectory: '', imageDigest: undefined, owner: undefined })
  await attempt.report({ kind: 'reached', state: 'running', dockerImageDigest: undefined })
  return attempt
}

async function assignedAttempt(folder: string, onReport: (report: Report) => void): Promise<Attempt> {
  const boot = systemBootClock(systemClock)
  const journal = await Journal.open(
    { ...journalDefaults, folder: `${folder}/journal` },
    {
      clock: systemClock,
      failpoints: noFailpoints,
      onFailure(error) {
        throw error
      },
    },
  )
  const assignment = {
    ...{ id, creator: 'a', createdAtMs: 0, spec: plainSpec, defaultImage: '', cpus: 1, memoryBytes: 1 },
    ...{ gpuUuids: [], machineType: 'CPU', replaceable: false, lostAfterMs: 0, graceMs: 0, diskBytes: 0 },
    logLimitBytes: 1,
  }
  const assigned = { assignment, bootId: boot.bootId, atMs: boot.now() }
  const listeners = { onReport, onLine() {} }
  const attempt = new Attempt({ assigned }, { attemptsFolder: folder, journal, boot, ...listeners })
  await attempt.assign()
  return attempt
}
