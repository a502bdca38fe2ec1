import type { Command } from 'commander'
import type { ListMachineTypesResponse__Output } from '../../proto/gen/spell/v1/ListMachineTypesResponse.js'
import type { MachineType__Output } from '../../proto/gen/spell/v1/MachineType.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import type { World } from '../world.js'

export function addListTypes(world: World, types: Command): void {
  const command = defineBelow(world, types, 'list', 'List machine types.').option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    const { machineTypes } = await api.call<ListMachineTypesResponse__Output>(
      'Cluster',
      'ListMachineTypes',
      {},
    )
    if (options.json) {
      world.stdout.write(`${JSON.stringify(machineTypes.map(asJson))}\n`)
      return
    }
    const made = machineTypes.some((type) => type.made)
    const titles = ['NAME', 'GPUS', 'CPUS', 'MEMORY', 'MACHINES', 'FREE NOW']
    world.stdout.write(
      made
        ? table(
            [...titles, 'LIMIT', 'ASKS FOR'],
            machineTypes.map((type) => [...row(type), ...madeCells(type)]),
          )
        : table(titles, machineTypes.map(row)),
    )
  })
}

function row(type: MachineType__Output): readonly string[] {
  const gpus = type.gpuCount === 0 ? '-' : `${type.gpuCount} x ${type.gpuModel || 'any GPU'}`
  // 0: no node has it, and the type leaves it to the node.
  const cpus = type.cpus === 0 ? '-' : String(type.cpus)
  const memory = type.memoryBytes === 0 ? '-' : humanBytes(type.memoryBytes)
  return [type.name, gpus, cpus, memory, String(type.nodeCount), String(type.freeCount)].map(printable)
}

function madeCells(type: MachineType__Output): readonly string[] {
  const asks = [
    ...type.labels,
    type.storageBytes > 0 ? `${Math.round(type.storageBytes / 1e9)} GB of disk` : '',
    type.spot ? 'spot' : '',
    type.defaultAutoResume && !type.spot ? 'auto-resume' : '',
  ].filter(Boolean)
  const limit = type.limit > 0 ? `${type.inUse} of ${type.limit}` : '-'
  return [limit, asks.join(', ') || '-'].map(printable)
}

function asJson(type: MachineType__Output): object {
  return {
    name: type.name,
    gpu_count: type.gpuCount,
    gpu_model: type.gpuModel || null,
    cpus: type.cpus,
    memory_bytes: type.memoryBytes,
    node_count: type.nodeCount,
    free_count: type.freeCount,
    made: type.made,
    limit: type.limit || null,
    in_use: type.made ? type.inUse : null,
    labels: type.labels,
    storage_bytes: type.storageBytes || null,
    spot: type.spot,
    default_auto_resume: type.defaultAutoResume,
  }
}
