import type { Command } from 'commander'
import type { World } from '../world.js'
import { steerCommand } from './steer.js'

export function build(world: World): Command {
  return steerCommand(world, {
    name: 'archive',
    method: 'Archive',
    summary: 'Hide finished runs from lists.',
    examples: '  spell archive 307\n  spell ps --include-archived\n',
    one: (id) => String(id),
    heading: undefined,
    several: (ids) => `Successfully archived runs: ${ids}`,
    ofFinished: true,
  })
}
