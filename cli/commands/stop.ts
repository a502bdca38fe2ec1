import type { Command } from 'commander'
import type { World } from '../world.js'
import { steerCommand } from './steer.js'

export function build(world: World): Command {
  return steerCommand(world, {
    name: 'stop',
    method: 'Stop',
    summary: 'Stop runs: each is told to end, then its outputs are saved.',
    examples: '  spell stop 307\n  spell stop 3 4 5\n',
    one: (id) => `Stopping run ${id}. Use 'spell logs -f ${id}' to view logs while the job finishes.`,
    heading:
      "Executing batch stop... Use 'spell logs -f RUN_ID' to view logs for a run while the job finishes.",
    several: (ids) => `Successfully stopping: ${ids}. Any outputs will be pushed and saved.`,
    ofFinished: false,
  })
}
