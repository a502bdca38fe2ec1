import type { Command } from 'commander'
import type { ListRunsResponse__Output } from '../../proto/gen/spell/v1/ListRunsResponse.js'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { type Api, connect } from '../api.js'
import { collect, define, wholeNumber } from '../define.js'
import { Failure } from '../failure.js'
import { machineOf, repositoryOf, runAsJson } from '../output/run-json.js'
import { colouredStatus, statusOf } from '../output/status.js'
import { printable, type Style, shortened, styleOf } from '../output/style.js'
import { commaSeparated, table } from '../output/table.js'
import { write } from '../output/write.js'
import type { World } from '../world.js'

interface PsOptions {
  readonly context?: string
  readonly number: number
  readonly repository?: string
  readonly label?: readonly string[]
  readonly project?: string
  readonly uncategorized?: boolean
  readonly trunc: boolean
  readonly verbose?: boolean
  readonly raw?: boolean
  readonly json?: boolean
  readonly includeJupyter?: boolean
  readonly includeArchived?: boolean
}

const pageSize = 1000
const commandLength = 25
const commitLength = 8
const examples = `
Examples:
  spell ps -n 10
  spell ps -l nightly -v
`

export function build(world: World): Command {
  const command = define(world, 'ps', 'List runs, the oldest first. Active ones have a *.')
    .option('-n, --number <number>', 'how many of the newest runs', wholeNumber(1), 50)
    .option('-r, --repository <name>', 'only runs of this repository')
    .option('-l, --label <label>', 'only runs with this label; repeated: with any of them', collect)
    .option('-p, --project <name>', 'only runs of this project')
    .option('--uncategorized', 'only runs in no project')
    .option('--trunc', 'cut long commands', true)
    .option('--no-trunc', 'show whole commands')
    .option('-v, --verbose', 'more columns')
    .option('--include-jupyter', 'workspace and TensorBoard runs as well')
    .option('--include-archived', 'archived runs as well')
    .option('--raw', 'comma-separated, nothing cut')
    .option('--json', 'a JSON array')
    .addHelpText('after', examples)
  return command.action(async () => ps(world, command.opts<PsOptions>()))
}

async function ps(world: World, options: PsOptions): Promise<void> {
  if (options.project !== undefined && options.uncategorized) {
    throw new Failure('usage', 'Only one of --project and --uncategorized can be meant.')
  }
  const api = await connect(world, options.context)
  const runs = await newestRuns(api, options)
  const style = styleOf(world)
  if (options.json) return await write(world.stdout, `${JSON.stringify(runs.map(runAsJson))}\n`)
  const columns = options.verbose ? verboseColumns : usualColumns
  if (options.raw) {
    const lines = runs.map((run) => commaSeparated(columns.map((column) => column.whole(run))))
    return await write(world.stdout, lines.join(''))
  }
  const cut = { style, trunc: options.trunc, descriptionLength: descriptionLength(world) }
  const rows = runs.map((run) =>
    columns.map((column) => column.shown?.(run, cut) ?? printable(column.whole(run))),
  )
  await write(
    world.stdout,
    table(
      columns.map((column) => column.title),
      rows,
    ),
  )
}

/** The oldest first. */
async function newestRuns(api: Api, options: PsOptions): Promise<readonly Run__Output[]> {
  const runs: Run__Output[] = []
  let pageToken = ''
  do {
    const page = await api.call<ListRunsResponse__Output>('Runs', 'List', {
      pageSize: Math.min(pageSize, options.number - runs.length),
      pageToken,
      labels: options.label ?? [],
      project: options.project ?? '',
      uncategorized: options.uncategorized ?? false,
      repository: options.repository ?? '',
      includeWorkspaces: options.includeJupyter ?? false,
      includeArchived: options.includeArchived ?? false,
    })
    runs.push(...page.runs)
    pageToken = page.nextPageToken
  } while (pageToken !== '' && runs.length < options.number)
  return runs.slice(0, options.number).reverse()
}

interface Cut {
  readonly style: Style
  readonly trunc: boolean
  readonly descriptionLength: number
}

interface Column {
  readonly title: string
  readonly whole: (run: Run__Output) => string
  readonly shown?: (run: Run__Output, cut: Cut) => string
}

const id: Column = { title: 'ID', whole: (run) => String(run.id) }
const repository: Column = { title: 'REPOSITORY', whole: repositoryOf }
const command: Column = {
  title: 'COMMAND',
  whole: (run) => run.spec?.command ?? '',
  shown: (run, { style, trunc }) => {
    const text = printable(run.spec?.command ?? '')
    return trunc ? shortened(style, text, commandLength) : text
  },
}
const commit: Column = {
  title: 'COMMIT',
  whole: commitOf,
  shown: (run, { trunc }) => printable(trunc ? commitOf(run).slice(0, commitLength) : commitOf(run)),
}
const status: Column = {
  title: 'STATUS',
  whole: statusOf,
  shown: (run, { style }) => colouredStatus(run, style),
}
const creator: Column = { title: 'CREATOR', whole: (run) => run.creator }
const labels: Column = { title: 'LABELS', whole: (run) => run.labels.join(', ') }
const machine: Column = { title: 'MACHINE', whole: machineOf }
const description: Column = {
  title: 'DESCRIPTION',
  whole: (run) => run.spec?.description ?? '',
  shown: (run, { style, trunc, descriptionLength }) => {
    const text = printable(run.spec?.description ?? '')
    return trunc ? shortened(style, text, descriptionLength) : text
  },
}

const usualColumns: readonly Column[] = [id, repository, command, status, creator]
const verboseColumns: readonly Column[] = [
  id,
  repository,
  command,
  commit,
  status,
  creator,
  labels,
  machine,
  description,
]

function commitOf(run: Run__Output): string {
  return run.spec?.code?.synced?.commitHash ?? run.spec?.code?.git?.ref ?? ''
}

/** What is left of a terminal's line; elsewhere a usual line's. */
function descriptionLength(world: World): number {
  return Math.max(12, (world.stdout.columns || 160) - 116)
}
