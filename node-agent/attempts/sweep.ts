import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../common/log.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { parseAttemptKey } from '../runtimes/control-folder.js'
import type { Runtime } from '../runtimes/runtime.js'
import type { Attempts } from './attempts.js'
import { isSpare } from './folder-pool.js'
import { removeLeft } from './take-back.js'

export interface SweepParts {
  readonly runtime: Runtime
  readonly log: Log
}

/**
 * After a start: takes away what is left of attempts that were let go of before the agent could clean up. What still runs
 * although nobody knows it is left alone: silence never ends a run.
 */
export async function sweep(
  attemptsFolder: string,
  attempts: Pick<Attempts, 'all' | 'has'>,
  parts: SweepParts,
): Promise<void> {
  const { runtime, log } = parts
  const known = new Set(attempts.all().map(({ key }) => key))
  const leftAlone = new Set<string>()
  for (const id of await runtime.list()) {
    // Asked anew each time: a run may have begun meanwhile.
    if (known.has(attemptKey(id)) || attempts.has(id)) continue
    const isGone = await endLeft(id, parts).catch((error: unknown) => {
      log.warn('What is left of a run can not be taken away', { attempt: attemptKey(id), error })
      return false
    })
    if (!isGone) leftAlone.add(attemptKey(id))
  }
  for (const name of await readdir(attemptsFolder)) {
    const id = parseAttemptKey(name)
    if (id ? known.has(name) || leftAlone.has(name) || attempts.has(id) : !isSpare(name)) continue
    const folder = join(attemptsFolder, name)
    // One that can't be removed must not keep the others.
    await (id ? removeLeft({ id, folder }, runtime) : rm(folder, { recursive: true, force: true })).catch(
      (error: unknown) => log.warn('What a run left on the disk can not be removed', { folder, error }),
    )
  }
}

/** false: it runs. */
async function endLeft(id: AttemptId, { runtime, log }: SweepParts): Promise<boolean> {
  if ((await runtime.inspect(id)) === 'running') {
    log.warn('A run is going on that the journal does not know; it is left alone', {
      attempt: attemptKey(id),
    })
    return false
  }
  await runtime.remove(id)
  return true
}
