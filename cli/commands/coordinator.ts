import type { Command } from 'commander'
import { define } from '../define.js'
import { addStart } from '../machines/start-command.js'
import type { World } from '../world.js'

const example = `
"spell cluster init" makes the first coordinator of a cluster.

Example:
  spell coordinator start
`

export function build(world: World): Command {
  const coordinator = define(
    world,
    'coordinator',
    'Make this machine a coordinator, and start it.',
  ).addHelpText('after', example)
  addStart(world, coordinator, 'coordinator', "Start this machine's coordinator; under systemd as a unit.")
  return coordinator
}
