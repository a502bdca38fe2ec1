import { Failure } from './failure.js'

/** Absolute path of where the user stands. Throws Failure when somebody has removed that folder. */
export function workingDirectory(): string {
  try {
    return process.cwd()
  } catch (error) {
    throw new Failure('workspace', 'The working directory does not exist any more.', { cause: error })
  }
}
