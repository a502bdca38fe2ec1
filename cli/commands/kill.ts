import type { Command } from 'commander'
import type { World } from '../world.js'
import { steerCommand } from './steer.js'

export function build(world: World): Command {
  return steerCommand(world, {
    name: 'kill',
    method: 'Kill',
    summary: 'Kill runs at once; nothing is saved.',
    examples: '  spell kill 307\n  spell kill 3 4 5\n',
    one: (id) => String(id),
    heading: 'Executing batch kill...',
    several: (ids) => `Successfully killed: ${ids}`,
    ofFinished: false,
  })
}
