import { type Command, Option } from 'commander'
import { connect } from '../api.js'
import { define, runId, wholeNumber } from '../define.js'
import { watchRun } from '../follow/watch-run.js'
import type { World } from '../world.js'

interface LogsOptions {
  readonly context?: string
  readonly follow?: boolean
  readonly tail?: number
  readonly delay?: boolean
  readonly verbose?: boolean
  readonly raw?: boolean
  readonly json?: boolean
  readonly exitCode?: boolean
}

/** What the API's 32 bits can count; a larger number would arrive as a small one. */
const mostLines = 2 ** 32 - 1

const examples = `
Examples:
  spell logs -f 7
  spell logs --tail 20 7
  spell logs --delay 7
  spell logs --raw 7 > output.log
`

export function build(world: World): Command {
  const command = define(world, 'logs', "Show a run's output, or follow it until its end.")
    .argument('<id>', 'id of the run', runId)
    .option('-f, --follow', 'go on until the run has ended')
    .option('-n, --tail <number>', 'only so many of the last lines of output', wholeNumber(0))
    .option('-d, --delay', "at the run's own speed")
    .option('-v, --verbose', 'show all intermediate log lines')
    .option('--exit-code', "with -f, exit with the run's exit code")
    .addOption(new Option('--raw', "the output's bytes as they are, and nothing else").conflicts('json'))
    .option('--json', 'one JSON object a line')
    .addHelpText('after', examples)
  return command.action(async (id: number) => {
    const options = command.opts<LogsOptions>()
    const api = await connect(world, options.context)
    await watchRun(api, world, {
      runId: id,
      follow: options.follow ?? false,
      tailLines: options.tail === undefined ? undefined : Math.min(options.tail, mostLines),
      delay: options.delay,
      verbose: options.verbose ?? false,
      output: options.raw ? 'raw' : options.json ? 'json' : 'story',
      submittedHere: false,
      exitCode: options.exitCode ?? api.login.config.exitCode,
    })
  })
}
