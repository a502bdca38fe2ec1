import type { Command } from 'commander'
import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { printable } from '../output/style.js'
import type { World } from '../world.js'
import { detailsAsJson } from './node-json.js'

export function addLabel(world: World, parent: Command): void {
  const command = defineBelow(
    world,
    parent,
    'label',
    'Add a label to a machine, for machine types to ask for.',
  )
    .argument('<name>', 'name or id of the node')
    .argument('<label>', 'such as fast-disk')
    .option('--remove', 'remove the label')
    .option('--json', 'the node as a JSON object')
  command.action(async (name: string, label: string) => {
    const options = command.optsWithGlobals<{ context?: string; remove?: boolean; json?: boolean }>()
    const api = await connect(world, options.context)
    const request = { name, label, remove: options.remove ?? false }
    const details = await api.call<NodeDetails__Output>('Nodes', 'SetLabel', request)
    const sentence = options.remove
      ? `Successfully removed label ${label} from node ${details.node?.name}.`
      : `Successfully added label ${label} to node ${details.node?.name}.`
    world.stdout.write(`${options.json ? JSON.stringify(detailsAsJson(details)) : printable(sentence)}\n`)
  })
}
