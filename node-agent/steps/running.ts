import { invariant } from '../../common/errors.js'
import type { Attempt } from '../attempts/attempt.js'
import { isBeforeStart } from '../attempts/restore.js'
import { finalLog } from '../logs/final-log.js'
import { isUnavailable, retry } from '../retry.js'
import { Lost, type Step } from './step.js'
import type { StepParts } from './step-parts.js'
import { superviseTask } from './supervise.js'
import { logLimitOf, taskOf } from './task.js'

/**
 * Starts the command, or finds it started, and is there until its last process has ended, by itself or because someone
 * wished it. Reports Running, and then how it ended: with that nothing is held any more.
 */
export function makeRunning(parts: StepParts): Step {
  return {
    name: 'running',
    reportedAs: 'running',
    async up(attempt) {
      if (isBeforeStart(attempt.progress)) {
        const { prepared, workingDirectory = '' } = attempt.parcel
        invariant(prepared, 'building comes before running')
        await attempt.noteStarting({ workingDirectory, ...prepared })
      }
      if (attempt.starting?.bootId !== parts.boot.bootId)
        throw new Lost('The machine was started anew while the run was going on.')
      if (attempt.progress === 'starting') await start(attempt, parts)
      const end = await superviseTask(attempt, parts)
      const logBytes = await finalLog(attempt.folders.output, logLimitOf(attempt, parts.settings))
      parts.logs.finish(attempt.id, logBytes)
      parts.inBackground(
        attempt.report(
          {
            kind: 'ended',
            exitCode: end.exitCode,
            outOfMemory: end.outOfMemory,
            endedBy: end.stopped?.endedBy ?? 'itself',
            logBytes,
            reason: end.stopped?.reason ?? (end.outOfMemory ? outOfMemory(attempt) : ''),
          },
          { released: true },
        ),
      )
      parts.failpoints.reach('ended')
    },
    async down(attempt) {
      await parts.runtime.remove(attempt.id)
    },
  }
}

function outOfMemory({ assignment }: Attempt): string {
  const gigabytes = Math.round(assignment.memoryBytes / 1e8) / 10
  return `A process was killed because the run wanted more than its ${gigabytes} GB of memory`
}

async function start(attempt: Attempt, parts: StepParts): Promise<void> {
  const noted = attempt.starting
  if (!noted) return
  parts.failpoints.reach('starting')
  const task = taskOf(attempt, noted.workingDirectory, parts.settings)
  await retry(
    () => parts.runtime.start(task, { imageDigest: noted.imageDigest, owner: noted.owner }),
    {
      backoff: { firstMs: 200, maxMs: 10_000 },
      giveUpAfterMs: parts.settings.giveUpAfterMs,
      signal: attempt.watch,
      worthwhile: (error) => isUnavailable(error) && attempt.intent === undefined,
      onWait: () => attempt.line(`Waiting for the ${parts.runtime.name} runtime of the node.`),
    },
    parts,
  )
  parts.failpoints.reach('started')
  parts.inBackground(
    attempt.report({ kind: 'reached', state: 'running', dockerImageDigest: noted.imageDigest }),
  )
}
