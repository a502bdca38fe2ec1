import { rm } from 'node:fs/promises'
import type { AttemptId } from '../../proto/model/attempt.js'
import { systemCode } from '../../spellfs/disk-errors.js'
import { makeEnterable } from '../outputs/make-enterable.js'
import type { Runtime } from '../runtimes/runtime.js'

/** A folder of an attempt whose last process has ended. */
export interface LeftFolder {
  readonly id: AttemptId
  readonly folder: string
}

/** Afterwards the agent may read and remove whatever the run has made there. */
export async function takeBack(
  { id, folder }: LeftFolder,
  runtime: Runtime,
  signal: AbortSignal,
): Promise<void> {
  await runtime.reclaim(id, folder)
  await makeEnterable(folder, signal)
}

/** Files of a container's root and folders that the run has closed may resist: then they are taken back first. */
export async function removeLeft(left: LeftFolder, runtime: Runtime): Promise<void> {
  const remove = () => rm(left.folder, { recursive: true, force: true })
  await remove().catch(async (error: unknown) => {
    const code = systemCode(error)
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    await takeBack(left, runtime, new AbortController().signal)
    await remove()
  })
}
