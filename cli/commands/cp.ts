import type { Command } from 'commander'
import { Option } from 'commander'
import { connect } from '../api.js'
import { Download, type Existing } from '../copy/download.js'
import { define } from '../define.js'
import { Failure } from '../failure.js'
import { interruptible } from '../interruptible.js'
import { confirm } from '../output/ask.js'
import { printable, styleOf } from '../output/style.js'
import { resourcePath } from '../resource-path.js'
import { note, type World } from '../world.js'

interface CpOptions {
  readonly context?: string
  readonly force?: boolean
  readonly ignore?: boolean
  readonly json?: boolean
}

const examples = `
The files of a run land in LOCAL_DIR; any other folder becomes a folder of its name there.

Examples:
  spell cp runs/7
  spell cp runs/7/model.pt models
`

export function build(world: World): Command {
  const command = define(world, 'cp', 'Copy files from the cluster to here.')
    .argument('<source>', 'a file or a folder, such as runs/7 or runs/7/model.pt')
    .argument('[local_dir]', 'where to', '.')
    .addOption(new Option('-f, --force', 'overwrite files that are here already').conflicts('ignore'))
    .addOption(new Option('-i, --ignore', 'leave files that are here already as they are').conflicts('force'))
    .option('--json', 'as a JSON object')
    .addHelpText('after', examples)
  return command.action(async (source: string, localDir: string) => {
    const options = command.opts<CpOptions>()
    const path = resourcePath(source)
    if (path === '') throw new Failure('usage', 'Name what to copy, such as runs/7.')
    const api = await connect(world, options.context)
    const download = new Download(api, world, { path, localDir, existing: existing(world, options) })
    const { copied, skipped } = await interruptible(world, (signal) => download.perform(signal))
    if (options.json) {
      world.stdout.write(`${JSON.stringify({ copied, skipped })}\n`)
      return
    }
    if (copied + skipped === 0) note(world, `No files for path ${source}`)
    const mark = styleOf(world).emoji ? '✔ ' : ''
    const left = skipped === 0 ? '' : ` Skipped ${skipped} files.`
    world.stdout.write(`${mark}Copied ${copied} files${left === '' ? '' : `.${left}`}\n`)
  })
}

/** What is to become of a file that is here already. */
function existing(world: World, options: CpOptions): Existing {
  if (options.force) return async () => 'overwrite'
  if (options.ignore) return async () => 'skip'
  return async (name) => {
    const question = `File '${printable(name)}' already exists. Are you sure you want to overwrite?`
    const unasked = `File '${printable(name)}' already exists. Use -f to overwrite it or -i to skip it.`
    return (await confirm(world, question, unasked)) ? 'overwrite' : 'skip'
  }
}
