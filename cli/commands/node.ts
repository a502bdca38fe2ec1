import type { Command } from 'commander'
import type { ListNodesResponse__Output } from '../../proto/gen/spell/v1/ListNodesResponse.js'
import type { NodeInfo__Output } from '../../proto/gen/spell/v1/NodeInfo.js'
import { connect } from '../api.js'
import { define, defineBelow } from '../define.js'
import { later } from '../later.js'
import { humanBytes } from '../output/bytes.js'
import { goDuration } from '../output/duration.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { note, type World } from '../world.js'

export function build(world: World): Command {
  const node = define(world, 'node', 'Show the machines of the cluster.').addHelpText(
    'after',
    '\nExample:\n  spell node list\n',
  )
  const command = defineBelow(world, node, 'list', 'List machines.').option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    const { nodes } = await api.call<ListNodesResponse__Output>('Cluster', 'ListNodes', {})
    if (options.json) {
      world.stdout.write(`${JSON.stringify(nodes.map(asJson))}\n`)
      return
    }
    world.stdout.write(
      table(['NAME', 'STATE', 'RUNTIME', 'CPUS', 'MEMORY', 'GPUS', 'FREE', 'RUNS'], nodes.map(row)),
    )
    for (const each of nodes)
      for (const warning of each.warnings) note(world, `Warning: ${each.name}: ${printable(warning)}`)
  })
  for (const name of ['join', 'remove']) later(world, node, `node ${name}`)
  return node
}

function row(node: NodeInfo__Output): readonly string[] {
  const models = new Map<string, number>()
  for (const gpu of node.gpus) models.set(gpu.model, (models.get(gpu.model) ?? 0) + 1)
  const gpus = [...models].map(([model, count]) => `${count} x ${model}`).join(', ') || '-'
  const free = node.gpus.filter((gpu) => gpu.heldByRunId === 0 && gpu.unusableReason === '').length
  const away = `unreachable for ${goDuration(Math.round(node.lastHeardMs / 1000) * 1000)}`
  return [
    node.name,
    node.connected ? 'connected' : away,
    node.runtime,
    String(node.cpus),
    humanBytes(node.memoryBytes),
    gpus,
    node.gpus.length === 0 ? '-' : String(free),
    node.runIds.join(' '),
  ].map(printable)
}

function asJson(node: NodeInfo__Output): object {
  return {
    id: node.id,
    name: node.name,
    connected: node.connected,
    last_heard_ms: node.lastHeardMs,
    runtime: node.runtime,
    cpus: node.cpus,
    memory_bytes: node.memoryBytes,
    gpus: node.gpus.map((gpu) => ({
      uuid: gpu.uuid,
      model: gpu.model,
      memory_bytes: gpu.memoryBytes,
      held_by_run: gpu.heldByRunId || null,
      unusable_reason: gpu.unusableReason || null,
    })),
    run_ids: node.runIds,
    warnings: node.warnings,
    version: node.version,
  }
}
