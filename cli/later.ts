import type { Command } from 'commander'
import { defineBelow } from './define.js'
import { Failure } from './failure.js'
import type { World } from './world.js'

/** A command below another that is known and not there yet: it takes anything and is refused by name. */
export function later(world: World, parent: Command, fullName: string): void {
  const name = fullName.slice(fullName.lastIndexOf(' ') + 1)
  const command = defineBelow(world, parent, name, 'Not part of this version yet.')
    .argument('[words...]')
    .allowUnknownOption()
  command.action(() => {
    throw new Failure('error', `"spell ${fullName}" is not part of this version of Spell yet.`)
  })
}
