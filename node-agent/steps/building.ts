import { isUnavailable, retry } from '../retry.js'
import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'
import { taskOf } from './task.js'

/** Gets ready what the command needs below it: the image. Reports that Building is reached. */
export function makeBuilding(parts: StepParts): Step {
  return {
    name: 'building',
    reportedAs: 'building',
    async up(attempt) {
      if (attempt.progress === 'assigned')
        parts.inBackground(
          attempt.report({ kind: 'reached', state: 'building', dockerImageDigest: undefined }),
        )
      parts.failpoints.reach('building')
      parts.folders.make(attempt.folders)
      const task = taskOf(attempt, '', parts.settings)
      attempt.parcel.prepared = await retry(
        () => parts.runtime.prepare(task, (line) => attempt.line(line, 'verbose'), attempt.work),
        {
          backoff: { firstMs: 200, maxMs: 10_000 },
          giveUpAfterMs: parts.settings.giveUpAfterMs,
          signal: attempt.work,
          worthwhile: isUnavailable,
          onWait: () => attempt.line(`Waiting for the ${parts.runtime.name} runtime of the node.`),
        },
        parts,
      )
      parts.failpoints.reach('prepared')
    },
    down: nothingToTakeDown,
  }
}
