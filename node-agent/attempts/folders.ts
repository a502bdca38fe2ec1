import { join } from 'node:path'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'

/** Where the files of one attempt lie. */
export interface AttemptFolders {
  readonly folder: string
  /** `/spell` in the run. */
  readonly spell: string
  /** The runtime's own. */
  readonly control: string
  /** What the command printed. */
  readonly output: string
  /** What was in `/spell` before the run. */
  readonly baseline: string
}

export function foldersOf(attemptsFolder: string, id: AttemptId): AttemptFolders {
  const folder = join(attemptsFolder, attemptKey(id))
  return {
    folder,
    spell: join(folder, 'spell'),
    control: join(folder, 'control'),
    output: join(folder, 'output'),
    baseline: join(folder, 'baseline'),
  }
}
