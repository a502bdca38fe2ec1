import type { Command } from 'commander'
import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { printable } from '../output/style.js'
import type { World } from '../world.js'
import { detailsAsJson } from './node-json.js'
import { runsNamed } from './runs-named.js'

interface CordonOptions {
  readonly context?: string
  readonly reason?: string
  readonly json?: boolean
}

export function addCordon(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'cordon', 'Give a machine no new runs.')
    .argument('<name>', 'name or id of the node')
    .option('--reason <text>', 'for whoever asks why')
    .option('--json', 'the node as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<CordonOptions>()
    const api = await connect(world, options.context)
    const request = { name, reason: options.reason ?? '' }
    const details = await api.call<NodeDetails__Output>('Nodes', 'Cordon', request)
    const runs = runsNamed(details)
    const rest = runs === '' ? '' : ` What is there goes on: ${runs}.`
    const sentence = `Node ${details.node?.name} gets no new runs until "spell node uncordon ${name}".${rest}`
    world.stdout.write(`${options.json ? JSON.stringify(detailsAsJson(details)) : printable(sentence)}\n`)
  })
}

export function addUncordon(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'uncordon', 'Give a cordoned or drained machine runs again.')
    .argument('<name>', 'name or id of the node')
    .option('--json', 'the node as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<CordonOptions>()
    const api = await connect(world, options.context)
    const details = await api.call<NodeDetails__Output>('Nodes', 'Uncordon', { name })
    const sentence = `Node ${details.node?.name} gets runs again.`
    world.stdout.write(`${options.json ? JSON.stringify(detailsAsJson(details)) : printable(sentence)}\n`)
  })
}
