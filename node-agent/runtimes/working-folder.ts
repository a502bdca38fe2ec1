import { statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { RpcError } from '../../common/errors.js'
import type { Task } from './runtime.js'

/** The folder on this machine that the command runs in; it must be there, and under the task's `/spell`. */
export function requireWorkingFolder(task: Pick<Task, 'spellFolder' | 'workingDirectory'>): string {
  const folder = join(task.spellFolder, task.workingDirectory)
  const inside = !relative(task.spellFolder, folder).startsWith('..')
  if (!inside || !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new RpcError('FAILED_PRECONDITION', `There is no folder /spell/${task.workingDirectory} to run in.`)
  return folder
}
