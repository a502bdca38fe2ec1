import { invariant } from '../../common/errors.js'
import type { Attempt } from '../attempts/attempt.js'
import type { Progress } from '../attempts/restore.js'
import type { Prepared } from '../runtimes/runtime.js'
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
  /** Nothing more will be asked about this attempt. */
  drop(attempt: Attempt): void
}

/** What one step hands to a later one of the same process; a later process finds it in the fact `starting`. */
interface Parcel {
  prepared?: Prepared
  workingDirectory?: string
}

export function makeSteps(parts: StepParts): Steps {
  const parcels = new Map<Attempt, Parcel>()
  const parcelOf = (attempt: Attempt): Parcel => {
    const known = parcels.get(attempt) ?? {}
    parcels.set(attempt, known)
    return known
  }
  const prepared = (attempt: Attempt) => {
    const result = parcelOf(attempt).prepared
    invariant(result, 'building comes before')
    return result
  }
  const placed = (attempt: Attempt) => {
    const { workingDirectory } = parcelOf(attempt)
    invariant(workingDirectory !== undefined, 'code comes before')
    return workingDirectory
  }
  const steps: readonly Step[] = [
    makeBuilding(parts, (attempt, result) => {
      parcelOf(attempt).prepared = result
    }),
    makeCode(parts, {
      prepared,
      placed: (attempt, workingDirectory) => {
        parcelOf(attempt).workingDirectory = workingDirectory
      },
    }),
    makeMounting(parts),
    makeRunning(parts, { prepared, placed }),
    makeSaving(parts),
    makePushing(parts),
  ]
  return {
    after: (progress) => {
      const at = steps.findIndex((step) => step.name === nextStep[progress])
      return at < 0 ? [] : steps.slice(at)
    },
    downwards: steps.toReversed(),
    drop: (attempt) => parcels.delete(attempt),
  }
}
