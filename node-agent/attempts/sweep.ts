import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../common/log.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { parseAttemptKey } from '../runtimes/control-folder.js'
import type { Runtime } from '../runtimes/runtime.js'
import type { Attempts } from './attempts.js'
import { isSpare } from './folder-pool.js'

/**
 * After a start: takes away what is left of attempts that were let go of before the agent could clean up. What still runs
 * although nobody knows it is left alone: silence never ends a run.
 */
export async function sweep(
  attemptsFolder: string,
  attempts: Attempts,
  parts: { readonly runtime: Runtime; readonly log: Log },
): Promise<void> {
  const { runtime, log } = parts
  const known = new Set(attempts.all().map(({ key }) => key))
  const runs = new Set<string>()
  for (const id of await runtime.list()) {
    // Asked anew each time: a run may have begun meanwhile.
    if (known.has(attemptKey(id)) || attempts.has(id)) continue
    if ((await runtime.inspect(id)) === 'running') {
      runs.add(attemptKey(id))
      log.warn('A run is going on that the journal does not know; it is left alone', {
        attempt: attemptKey(id),
      })
    } else await runtime.remove(id)
  }
  for (const name of await readdir(attemptsFolder)) {
    const id: AttemptId | undefined = parseAttemptKey(name)
    if (id ? known.has(name) || runs.has(name) || attempts.has(id) : !isSpare(name)) continue
    await rm(join(attemptsFolder, name), { recursive: true, force: true })
  }
}
