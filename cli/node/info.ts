import type { Command } from 'commander'
import type { GpuInfo__Output } from '../../proto/gen/spell/v1/GpuInfo.js'
import type { NodeDetails__Output } from '../../proto/gen/spell/v1/NodeDetails.js'
import type { NodeRun__Output } from '../../proto/gen/spell/v1/NodeRun.js'
import { stateFromWire } from '../../proto/model/run-state.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { write } from '../output/write.js'
import type { World } from '../world.js'
import { detailsAsJson } from './node-json.js'
import { cordonStory, nodeState } from './state.js'

export function addInfo(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'info', 'Show all that is known of a machine.')
    .argument('<name>', 'name or id of the node')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    const details = await api.call<NodeDetails__Output>('Nodes', 'Get', { name })
    if (options.json) return await write(world.stdout, `${JSON.stringify(detailsAsJson(details))}\n`)
    const rows = rowsOf(details).filter(([, value]) => value !== '')
    await write(
      world.stdout,
      table(
        [],
        rows.map(([title, value]) => [title, printable(value)]),
      ),
    )
  })
}

type Row = readonly [title: string, value: string]

function rowsOf(details: NodeDetails__Output): readonly Row[] {
  const { node } = details
  if (!node) return []
  return [
    ['Name', node.name],
    ['Id', node.id],
    ['State', nodeState(node)],
    ['Cordon', cordonStory(node)],
    ['Version', node.version],
    ['Runtime', [node.runtime, details.runtimeVersion].filter(Boolean).join(' ')],
    ['CPUs', `${node.cpus} (${details.cpusFree} free${setAside(details)})`],
    ['Memory', memoryOf(details, node.memoryBytes)],
    ['Disk Free', humanBytes(details.diskFreeBytes)],
    ['GPU Driver', node.gpuDriverVersion],
    ...many('GPU', node.gpus.map(gpuLine)),
    ...many('Run', details.runs.map(runLine)),
    ['Machine Types', details.machineTypes.join(', ')],
    ['Joined As', details.joinedAs],
    ['Labels', node.labels.join(', ')],
    ...many('Warning', node.warnings),
    ['Machine Id', details.machineId],
    ['Boot Id', details.bootId],
  ]
}

function setAside({ node, cpusForCpuRuns }: NodeDetails__Output): string {
  return (node?.gpus.length ?? 0) > 0 ? `; ${cpusForCpuRuns} for runs without GPUs` : ''
}

function memoryOf(details: NodeDetails__Output, bytes: number): string {
  const aside =
    (details.node?.gpus.length ?? 0) > 0
      ? `; ${humanBytes(details.memoryForCpuRunsBytes)} for runs without GPUs`
      : ''
  return `${humanBytes(bytes)} (${humanBytes(details.memoryFreeBytes)} free${aside})`
}

/** The title stands before the first alone. */
function many(title: string, values: readonly string[]): readonly Row[] {
  return values.map((value, index) => [index === 0 ? title : '', value])
}

function gpuLine(gpu: GpuInfo__Output): string {
  const uses = [
    gpu.heldByRunId === 0 ? '' : `held by run ${gpu.heldByRunId}`,
    gpu.unusableReason === '' ? '' : `not offered: ${gpu.unusableReason}`,
  ].filter(Boolean)
  const part = gpu.parentUuid === '' ? '' : `, part of ${gpu.parentUuid}`
  return `${gpu.uuid}  ${gpu.model}, ${humanBytes(gpu.memoryBytes)}${part}: ${uses.join('; ') || 'free'}`
}

function runLine(run: NodeRun__Output): string {
  const state = run.current ? stateFromWire(run.state) : 'not the attempt that counts'
  const attempt = run.attempt > 1 ? `, attempt ${run.attempt}` : ''
  const ended = run.holds ? '' : '; its devices are free again'
  return `${run.runId} (${run.machineType}, ${run.creator}${attempt}): ${state}${ended}`
}
