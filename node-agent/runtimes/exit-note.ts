import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files of a control folder: the command's exit status, and the process id of who notes it. */
export const exitNote = 'exit'
export const keeperNote = 'keeper'

/**
 * Makes room for the notes before the command starts: supervisors write over them without making the files longer, so that
 * a disk that the run has filled can still tell how it ended. Leaves what is there as it is. Returns the paths.
 */
export function reserveNotes(controlFolder: string, names: readonly string[]): readonly string[] {
  return names.map((name) => {
    const file = join(controlFolder, name)
    try {
      writeFileSync(file, '--------\n', { flag: 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    return file
  })
}

/** The command's exit status; undefined as long as none is noted. */
export function readExitNote(controlFolder: string): number | undefined {
  try {
    const noted = /^(\d+)\n/.exec(readFileSync(join(controlFolder, exitNote), 'utf8'))?.[1]
    return noted === undefined ? undefined : Number(noted)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
