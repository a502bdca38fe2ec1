import { Quit } from './failure.js'
import type { World } from './world.js'

/** What shells make of a program that ended by ^C: 128 and the number of SIGINT. */
const interruptedCode = 130

/**
 * For work that leaves something behind when the program just dies. ^C aborts the signal; once the work has cleaned up
 * after itself, what it throws, the signal's reason, ends the program as quietly.
 */
export async function interruptible<Result>(
  world: World,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const leaving = new AbortController()
  const forget = world.onInterrupt(() => leaving.abort(new Quit(interruptedCode)))
  try {
    return await work(leaving.signal)
  } catch (error) {
    // The terminal has shown ^C, and what comes next begins on a line of its own.
    if (leaving.signal.aborted && error === leaving.signal.reason) world.stderr.write('\n')
    throw error
  } finally {
    forget()
  }
}
