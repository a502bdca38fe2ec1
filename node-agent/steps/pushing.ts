import { nothingToTakeDown, type Step } from './step.js'
import type { StepParts } from './step-parts.js'

/** Environments that others may want are pushed in the background; nothing is left to wait for here. Reports the end. */
export function makePushing(parts: StepParts): Step {
  return {
    name: 'pushing',
    reportedAs: 'pushing',
    async up(attempt) {
      await attempt.report({ kind: 'finished' })
      parts.failpoints.reach('finished')
    },
    down: nothingToTakeDown,
  }
}
