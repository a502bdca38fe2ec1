import type { Command } from 'commander'
import type { RemoveNodeResponse__Output } from '../../proto/gen/spell/v1/RemoveNodeResponse.js'
import { connect } from '../api.js'
import { defineBelow } from '../define.js'
import { printable } from '../output/style.js'
import type { World } from '../world.js'

interface RemoveOptions {
  readonly context?: string
  readonly lost?: boolean
  readonly json?: boolean
}

export function addRemove(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'remove', 'Take a machine out of the cluster.')
    .argument('<name>', 'name or id of the node')
    .option('--lost', 'it does not come back: what runs there is given up, or repeated (--auto-resume)')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<RemoveOptions>()
    const api = await connect(world, options.context)
    const request = { name, lost: options.lost ?? false }
    const removed = await api.call<RemoveNodeResponse__Output>('Nodes', 'Remove', request)
    const shown = options.json ? JSON.stringify(asJson(removed)) : printable(sentenceOf(removed))
    world.stdout.write(`${shown}\n`)
  })
}

function sentenceOf({ name, interruptedRunIds, repeatedRunIds }: RemoveNodeResponse__Output): string {
  const interrupted = interruptedRunIds.length > 0 ? ` Interrupted: ${interruptedRunIds.join(' ')}.` : ''
  const repeated = repeatedRunIds.length > 0 ? ` Repeated elsewhere: ${repeatedRunIds.join(' ')}.` : ''
  return `Node ${name} is removed.${interrupted}${repeated}`
}

function asJson(removed: RemoveNodeResponse__Output): object {
  return {
    id: removed.id,
    name: removed.name,
    interrupted_run_ids: removed.interruptedRunIds,
    repeated_run_ids: removed.repeatedRunIds,
  }
}
