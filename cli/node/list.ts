import type { Command } from 'commander'
import type { ListNodesResponse__Output } from '../../proto/gen/spell/v1/ListNodesResponse.js'
import type { NodeInfo__Output } from '../../proto/gen/spell/v1/NodeInfo.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { note, type World } from '../world.js'
import { nodeAsJson } from './node-json.js'
import { nodeState } from './state.js'

interface ListOptions {
  readonly context?: string
  readonly all?: boolean
  readonly json?: boolean
}

export function addList(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'list', 'List machines.')
    .option('-a, --all', 'also those that were given up as lost and may still run something')
    .option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<ListOptions>()
    const api = await connect(world, options.context)
    const answer = await api.call<ListNodesResponse__Output>('Cluster', 'ListNodes', {})
    const nodes = answer.nodes.filter(({ givenUp }) => options.all || !givenUp)
    if (options.json) {
      world.stdout.write(`${JSON.stringify(nodes.map(nodeAsJson))}\n`)
      return
    }
    world.stdout.write(
      table(['NAME', 'STATE', 'RUNTIME', 'CPUS', 'MEMORY', 'GPUS', 'FREE', 'RUNS'], nodes.map(row)),
    )
    for (const each of nodes)
      for (const warning of each.warnings) note(world, `Warning: ${each.name}: ${printable(warning)}`)
  })
}

function row(node: NodeInfo__Output): readonly string[] {
  const models = new Map<string, number>()
  for (const gpu of node.gpus) models.set(gpu.model, (models.get(gpu.model) ?? 0) + 1)
  const gpus = [...models].map(([model, count]) => `${count} x ${model}`).join(', ') || '-'
  const free = node.gpus.filter((gpu) => gpu.heldByRunId === 0 && gpu.unusableReason === '').length
  return [
    node.name,
    nodeState(node),
    node.runtime,
    String(node.cpus),
    humanBytes(node.memoryBytes),
    gpus,
    node.gpus.length === 0 ? '-' : String(free),
    node.runIds.join(' '),
  ].map(printable)
}
