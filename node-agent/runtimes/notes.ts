import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, writeFileSync } from 'node:fs'
import { systemCode } from '../../spellfs/disk-errors.js'

// Small files of a control folder. A run may reach them (a plain process does), and put in their place what it likes: a
// link to another file, a pipe that nobody writes to, a device without end. The agent may be root, and waits for nobody.

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants

/** No note is longer; what is beyond is not read. */
const longestBytes = 2048
/** There is no note, or something that is none: missing, a link, a socket, not for this user. */
const noNote: ReadonlySet<string> = new Set([
  'ENOENT',
  'ENOTDIR',
  'ELOOP',
  'ENXIO',
  'ENODEV',
  'EACCES',
  'EPERM',
])
/** What the agent itself lacks for a moment. */
const passing: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** What a note says; undefined where there is none. */
export function readNote(file: string): string | undefined {
  let fd: number | undefined
  try {
    fd = openSync(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
    if (!fstatSync(fd).isFile()) return undefined
    const bytes = Buffer.allocUnsafe(longestBytes)
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, longestBytes, 0))
  } catch (error) {
    if (noNote.has(systemCode(error) ?? '')) return undefined
    throw error
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/**
 * Leaves a note that says everything by being there; what is there already stays as it is. An empty file has room on nearly
 * every full disk. Where it has none the note is missing: what it goes with, such as a signal, counts for more.
 */
export function leaveNote(file: string): void {
  try {
    writeFileSync(file, '', { flag: 'wx' })
  } catch (error) {
    if (passing.has(systemCode(error) ?? '')) throw error
  }
}

export function hasNote(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined
}
