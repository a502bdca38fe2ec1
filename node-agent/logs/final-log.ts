import { constants, lstatSync } from 'node:fs'
import { open } from 'node:fs/promises'

const { O_RDWR, O_NOFOLLOW, O_NONBLOCK } = constants

/** What stands at the end of a log that was cut. */
export function cutMark(limitBytes: number): string {
  return `\n[spell] This log reached its limit of ${limitBytes} bytes. What the run printed after that was not kept.\n`
}

/**
 * The final length, in bytes, of a log whose writers have all ended; cut at the limit, with a mark, when it is longer. To
 * be repeated as one likes. A command that printed nothing may have no file.
 */
export async function finalLog(file: string, limitBytes: number): Promise<number> {
  const facts = lstatSync(file, { throwIfNoEntry: false })
  // A plain process may put something else in its place: that is no log, and least of all one to be cut.
  const size = facts?.isFile() ? facts.size : 0
  if (size <= limitBytes) return size
  const handle = await open(file, O_RDWR | O_NOFOLLOW | O_NONBLOCK)
  try {
    const mark = Buffer.from(cutMark(limitBytes))
    // The mark overwrites bytes beyond the limit: on a full disk there is room for it.
    await handle.write(mark, 0, mark.length, limitBytes)
    await handle.truncate(limitBytes + mark.length)
    return limitBytes + mark.length
  } finally {
    await handle.close()
  }
}
