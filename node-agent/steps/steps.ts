import type { Progress } from '../attempts/restore.js'
import { makeBuilding } from './building.js'
import { makeCode } from './code.js'
import { makeMounting } from './mounting.js'
import { makePushing } from './pushing.js'
import { makeRunning } from './running.js'
import { makeSaving } from './saving.js'
import type { Step } from './step.js'
import type { StepParts } from './step-parts.js'

/** With which step an attempt goes on that has come so far; undefined: with none. */
const nextStep: Readonly<Record<Progress, Step['name'] | undefined>> = {
  assigned: 'building',
  building: 'building',
  mounting: 'building',
  starting: 'running',
  running: 'running',
  saving: 'saving',
  pushing: 'pushing',
  over: undefined,
}

export interface Steps {
  /** What is left to do, in order. */
  after(progress: Progress): readonly Step[]
  /** All, last first: the order in which they are taken down. */
  readonly downwards: readonly Step[]
}

export function makeSteps(parts: StepParts): Steps {
  const steps: readonly Step[] = [
    makeBuilding(parts),
    makeCode(parts),
    makeMounting(parts),
    makeRunning(parts),
    makeSaving(parts),
    makePushing(parts),
  ]
  return {
    after: (progress) => {
      const at = steps.findIndex((step) => step.name === nextStep[progress])
      return at < 0 ? [] : steps.slice(at)
    },
    downwards: steps.toReversed(),
  }
}
