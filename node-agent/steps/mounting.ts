import { RpcError } from '../../common/errors.js'
import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'

/** Puts the run's mounts in place; skipped, and not reported, without any. */
export function makeMounting(parts: StepParts): Step {
  return {
    name: 'mounting',
    reportedAs: 'mounting',
    async up(attempt) {
      if (attempt.assignment.spec.mounts.length === 0) return
      if (attempt.progress !== 'mounting')
        parts.inBackground(
          attempt.report({ kind: 'reached', state: 'mounting', dockerImageDigest: undefined }),
        )
      throw new RpcError('UNIMPLEMENTED', 'Mounts are not available on this version of the node.')
    },
    down: nothingToTakeDown,
  }
}
