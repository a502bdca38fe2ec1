import type { Command } from 'commander'
import { define } from '../define.js'
import { addCoordinatorCommands } from '../machines/commands.js'
import { addResetAdmin } from '../people/reset-admin.js'
import type { World } from '../world.js'

const example = `
"spell cluster init" makes the first coordinator of a cluster, "spell cluster coordinator-token" prints how another joins.

Examples:
  spell coordinator join alpha:7000 --ca-hash 9f2c...
  spell coordinator start
  spell coordinator reset-admin grace
`

export function build(world: World): Command {
  const coordinator = define(
    world,
    'coordinator',
    'Make this machine a coordinator, and start it.',
  ).addHelpText('after', example)
  addCoordinatorCommands(world, coordinator)
  addResetAdmin(world, coordinator)
  return coordinator
}
