import type { Command } from 'commander'
import type { World } from './world.js'

/** What the file of a command exports: a command of commander's, ready to parse what follows the name. */
export interface CommandFile {
  /** `args` are what follows the name; `all` are the commands that there are. */
  build(world: World, args: readonly string[], all: readonly Entry[]): Command
}

export interface Entry {
  readonly name: string
  readonly summary: string
  load(): Promise<CommandFile>
}
