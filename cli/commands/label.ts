import type { Command } from 'commander'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { connect } from '../api.js'
import { define, runId } from '../define.js'
import { runAsJson } from '../output/run-json.js'
import { printable } from '../output/style.js'
import type { World } from '../world.js'

interface LabelOptions {
  readonly context?: string
  readonly remove?: boolean
  readonly json?: boolean
}

export function build(world: World): Command {
  const command = define(world, 'label', 'Add a label to a run, or remove it.')
    .argument('<id>', 'id of the run', runId)
    .argument('<name>', 'the label')
    .option('--remove', 'remove it')
    .option('--json', 'the run as a JSON object')
    .addHelpText('after', '\nExamples:\n  spell label 7 nightly\n  spell label 7 nightly --remove\n')
  return command.action(async (id: number, label: string) => {
    const options = command.opts<LabelOptions>()
    const api = await connect(world, options.context)
    const remove = options.remove ?? false
    const run = await api.call<Run__Output>('Runs', 'SetLabel', { runId: id, label, remove })
    const done = remove ? 'removed' : 'added'
    const direction = remove ? 'from' : 'to'
    const sentence = `Successfully ${done} label ${printable(label)} ${direction} run ${id}.`
    world.stdout.write(`${options.json ? JSON.stringify(runAsJson(run)) : sentence}\n`)
  })
}
