import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readNote } from './notes.js'

/** File of a control folder: the command's exit status. */
export const exitNote = 'exit'

/**
 * Makes room for the note before the command starts: supervisors write over it without making the file longer, so that a
 * disk that the run has filled can still tell how it ended. Leaves what is there as it is. Returns the path.
 */
export function reserveExitNote(controlFolder: string): string {
  const file = join(controlFolder, exitNote)
  try {
    writeFileSync(file, '--------\n', { flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return file
}

/** The command's exit status; undefined as long as none is noted. */
export function readExitNote(controlFolder: string): number | undefined {
  const noted = /^(\d{1,3})\n/.exec(readNote(join(controlFolder, exitNote)) ?? '')?.[1]
  return noted === undefined ? undefined : Number(noted)
}
