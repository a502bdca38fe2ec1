import type { Attempt } from '../attempts/attempt.js'

/**
 * One step in the life of an attempt. `up` is begun again from its start whenever an earlier process of the agent did not
 * bring it to its end; `down` follows in the end, after whatever became of `up`, and may be repeated too. The reports
 * that an `up` makes stand in its file; an attempt is taken up again behind the newest one.
 */
export interface Step {
  readonly name: 'building' | 'code' | 'mounting' | 'running' | 'saving' | 'pushing'
  /** What its failure is reported as: a step of the run that users know. */
  readonly reportedAs: string
  up(attempt: Attempt): Promise<void>
  /** Takes away what `up` has put on the machine and nobody needs any more. */
  down(attempt: Attempt): Promise<void>
}

/** The attempt is gone from the machine, and not because anyone here ended it. */
export class Lost extends Error {}

export const nothingToTakeDown = async (): Promise<void> => undefined
