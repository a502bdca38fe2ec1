import type { Clock } from '../common/clock.js'
import { printableLines } from './output/style.js'
import type { ClientSettings } from './settings.js'

/** What a command is given of the world around the program. */
export interface World {
  readonly settings: ClientSettings
  readonly clock: Clock
  /** Absolute path of the working directory. Throws Failure when that was removed. */
  readonly cwd: string
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  /** Instead of dying of ^C the action is called, until the returned function is. */
  onInterrupt(action: () => void): () => void
}

/** A warning, a note, a question's answer: anything that is not what was asked for. Names in it may be anybody's. */
export function note(world: World, sentence: string): void {
  world.stderr.write(`${printableLines(sentence)}\n`)
}
