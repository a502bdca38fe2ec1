import {
  closeSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { systemClock } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import { Failure } from './failure.js'

const patienceMs = 5_000
/** A lock this old was left by a program that died: writing takes milliseconds. */
const staleMs = 30_000

/**
 * Replaces a file by what `make` returns, so that readers see the old or the new one and two writers don't undo each
 * other: the new content is written to `<path>.lock`, which only one can create (git's way), then renamed.
 */
export async function replaceFile(path: string, make: () => string): Promise<void> {
  const lock = `${path}.lock`
  const file = await openLock(lock)
  try {
    try {
      writeSync(file, make())
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(lock, path)
  } catch (error) {
    rmSync(lock, { force: true })
    throw error
  }
}

async function openLock(lock: string): Promise<number> {
  const giveUpAt = systemClock.monotonic() + patienceMs
  for (;;) {
    try {
      return openSync(lock, 'wx', 0o600)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw new Failure('configuration', `Could not write ${lock}: ${messageOf(error)}`, { cause: error })
      }
    }
    removeStale(lock)
    if (systemClock.monotonic() > giveUpAt) {
      throw new Failure(
        'configuration',
        `${lock} is held by another spell command; remove it if there is none.`,
      )
    }
    await systemClock.sleep(20)
  }
}

function removeStale(lock: string): void {
  const written = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
  if (written === undefined || systemClock.now() - written <= staleMs) return
  // Files of a server have the server's time, and nobody knows how far that is from this machine's.
  if (timeThere(lock) - written > staleMs) rmSync(lock, { force: true })
}

/** The time by whoever keeps the files beside `path`. */
function timeThere(path: string): number {
  const probe = `${path}.${process.pid}`
  try {
    writeFileSync(probe, '', { mode: 0o600 })
    return statSync(probe).mtimeMs
  } catch (error) {
    throw new Failure('configuration', `Could not write ${probe}: ${messageOf(error)}`, { cause: error })
  } finally {
    rmSync(probe, { force: true })
  }
}
