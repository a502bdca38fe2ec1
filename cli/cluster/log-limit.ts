import { copyFileSync, statSync, truncateSync } from 'node:fs'

/** Of a process's log file; one older file of up to this size is kept beside it. */
const limitBytes = 32 * 1024 ** 2

/**
 * Moves a log over its limit to `<file>.1`. The process goes on writing to the same file, which it opened for appending; a
 * line written between copy and cut is lost.
 */
export function limitLog(file: string): void {
  const bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (bytes <= limitBytes) return
  copyFileSync(file, `${file}.1`)
  truncateSync(file, 0)
}
