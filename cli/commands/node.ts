import type { Command } from 'commander'
import { define } from '../define.js'
import { addNodeCommands } from '../machines/commands.js'
import { addCordon, addUncordon } from '../node/cordon.js'
import { addDrain } from '../node/drain.js'
import { addInfo } from '../node/info.js'
import { addLabel } from '../node/label.js'
import { addList } from '../node/list.js'
import { addRemove } from '../node/remove.js'
import type { World } from '../world.js'

const examples = `
Examples:
  spell node list
  spell node info node-3
  spell node cordon node-3 --reason "new disk on Friday"
  spell node drain node-3 --stop
  spell node token --uses 8
`

export function build(world: World): Command {
  const node = define(world, 'node', 'Show and administer the machines of the cluster.').addHelpText(
    'after',
    examples,
  )
  addList(world, node)
  addInfo(world, node)
  addCordon(world, node)
  addUncordon(world, node)
  addDrain(world, node)
  addRemove(world, node)
  addLabel(world, node)
  addNodeCommands(world, node)
  return node
}
