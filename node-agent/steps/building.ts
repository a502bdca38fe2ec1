import { mkdir } from 'node:fs/promises'
import type { Attempt } from '../attempts/attempt.js'
import { isUnavailable, retry } from '../retry.js'
import type { Prepared } from '../runtimes/runtime.js'
import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'
import { taskOf } from './task.js'

/** Gets ready what the command needs below it: the image. Reports that Building is reached. */
export function makeBuilding(parts: StepParts, prepared: (attempt: Attempt, result: Prepared) => void): Step {
  return {
    name: 'building',
    reportedAs: 'building',
    async up(attempt) {
      if (attempt.progress === 'assigned')
        parts.inBackground(
          attempt.report({ kind: 'reached', state: 'building', dockerImageDigest: undefined }),
        )
      parts.failpoints.reach('building')
      await mkdir(attempt.folders.control, { recursive: true })
      await mkdir(attempt.folders.spell, { recursive: true })
      const task = taskOf(attempt, '', parts.settings)
      const result = await retry(
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
      prepared(attempt, result)
    },
    down: nothingToTakeDown,
  }
}
