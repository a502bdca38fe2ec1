import type { Command } from 'commander'
import type { FileEntry__Output } from '../../proto/gen/spell/v1/FileEntry.js'
import type { ListFilesResponse__Output } from '../../proto/gen/spell/v1/ListFilesResponse.js'
import { connect } from '../api.js'
import { define } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { shortTime } from '../output/dates.js'
import { timeAsJson } from '../output/run-json.js'
import { printable, type Style, styleOf } from '../output/style.js'
import { write } from '../output/write.js'
import { resourcePath } from '../resource-path.js'
import { note, type World } from '../world.js'

interface LsOptions {
  readonly context?: string
  readonly humanReadable?: boolean
  readonly json?: boolean
}

const pageSize = 1000
const examples = `
Examples:
  spell ls
  spell ls -h runs/7
`

export function build(world: World): Command {
  const command = define(world, 'ls', 'List files: size, time of the last change, path.')
    .argument('[path]', 'such as runs/7/model', '')
    .option('-h, --human-readable', 'sizes as 1.5K, 206M')
    .option('--json', 'one JSON object a line')
    .helpOption('--help', 'display help for command')
    .addHelpText('after', examples)
  return command.action(async (written: string) => {
    const options = command.opts<LsOptions>()
    const api = await connect(world, options.context)
    const path = resourcePath(written)
    const style = styleOf(world)
    let pageToken = ''
    let count = 0
    do {
      const page = await api.call<ListFilesResponse__Output>('Files', 'List', { path, pageSize, pageToken })
      count += page.entries.length
      const lines = page.entries.map((entry) =>
        options.json ? json(entry) : line(entry, path, options, style),
      )
      await write(world.stdout, lines.join(''))
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    if (count === 0 && !options.json) note(world, `No files for path ${written}`)
  })
}

function line(entry: FileEntry__Output, below: string, options: LsOptions, style: Style): string {
  const size = sizeOf(entry, options.humanReadable ?? false).padStart(8)
  const date = shortTime(entry.modifiedAtMs).padEnd(14)
  const target = entry.linkTarget === '' ? '' : ` ${style.arrow} ${printable(entry.linkTarget)}`
  const info = entry.runUnfinished ? ' (info)' : ''
  return `${size} ${date} ${printable(shownPath(entry.path, below))}${target}${info}\n`
}

function sizeOf(entry: FileEntry__Output, human: boolean): string {
  if (entry.kind === 'DIRECTORY') return '-'
  return human ? humanBytes(entry.sizeBytes) : String(entry.sizeBytes)
}

/** Of what lies below the listed path only the rest is shown. */
function shownPath(path: string, below: string): string {
  const prefix = below === '' ? '' : `${below}/`
  return path.startsWith(prefix) && path.length > prefix.length ? path.slice(prefix.length) : path
}

function json(entry: FileEntry__Output): string {
  return `${JSON.stringify({
    path: entry.path,
    kind: entry.kind.toLowerCase(),
    size_bytes: entry.kind === 'DIRECTORY' ? null : entry.sizeBytes,
    modified_at: timeAsJson(entry.modifiedAtMs),
    link_target: entry.linkTarget || null,
    mode: entry.mode,
    run_unfinished: entry.runUnfinished,
  })}\n`
}
