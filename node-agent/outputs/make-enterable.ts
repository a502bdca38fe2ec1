import { chmodSync, lstatSync } from 'node:fs'
import { walkFolder } from './walk.js'

/**
 * Gives the owner of a folder, and of every folder below it, the right to look into it and to change it: an agent without
 * root could neither save what is in a folder that a run has closed nor remove it. What is not the agent's own stays as it
 * is.
 */
export async function makeEnterable(path: string, signal: AbortSignal): Promise<void> {
  const root = lstatSync(path, { throwIfNoEntry: false })
  if (!root?.isDirectory()) return
  if ((root.mode & 0o700) !== 0o700) chmodSync(path, (root.mode & 0o7777) | 0o700)
  await walkFolder(
    path,
    ({ folder, name, facts }) => {
      if (!facts.isDirectory()) return 'pass'
      folder.openToOwner(name, facts)
      return 'enter'
    },
    signal,
  )
}
