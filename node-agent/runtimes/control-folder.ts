import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'

/** Where a task's control folder lies: a runtime asked about an id alone (after a restart, say) finds its files there. */
export function controlFolderOf(attemptsFolder: string, id: AttemptId): string {
  return join(attemptsFolder, attemptKey(id), 'control')
}

/** Every attempt that has a folder, whatever is in it. */
export async function attemptsIn(attemptsFolder: string): Promise<readonly AttemptId[]> {
  const names = await readdir(attemptsFolder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  return names.flatMap((name) => parseAttemptKey(name) ?? [])
}

/** The inverse of `attemptKey`; undefined for any other text. */
export function parseAttemptKey(text: string): AttemptId | undefined {
  const match = /^([1-9]\d{0,14})\.([1-9]\d{0,8})$/.exec(text)
  return match ? { runId: Number(match[1]), attempt: Number(match[2]) } : undefined
}
