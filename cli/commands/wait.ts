import { setMaxListeners } from 'node:events'
import type { Command } from 'commander'
import { RpcError } from '../../common/errors.js'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import { stateFromWire } from '../../proto/model/run-state.js'
import { type Api, connect } from '../api.js'
import { define, runIds } from '../define.js'
import { Failure, Quit } from '../failure.js'
import { followUntil, type Listener } from '../follow/follow.js'
import { exitCodeFor } from '../follow/watch-run.js'
import { runAsJson } from '../output/run-json.js'
import { statusOf } from '../output/status.js'
import { note, type World } from '../world.js'

interface WaitOptions {
  readonly context?: string
  readonly quiet?: boolean
  readonly json?: boolean
  readonly exitCode?: boolean
}

const examples = `
Exits with 0 when all runs ended Complete or Stopped, with 1 otherwise. With --exit-code: with the first exit code,
in the order of the ids, that is not 0.

Examples:
  spell wait 7 && spell cp runs/7
  spell wait 3 4 5
`

export function build(world: World): Command {
  const command = define(world, 'wait', 'Wait until runs have ended.')
    .argument('<id...>', 'ids of runs', runIds)
    .option('-q, --quiet', 'print nothing')
    .option('--exit-code', "exit with the runs' exit code")
    .option('--json', 'one JSON object a line')
    .addHelpText('after', examples)
  return command.action(async (ids: readonly number[]) => {
    const options = command.opts<WaitOptions>()
    const api = await connect(world, options.context)
    const wantsExitCode = options.exitCode ?? api.login.config.exitCode
    const ends = await waitForAll(api, world, ids, { ...options, exitCode: wantsExitCode })
    const unknown = ids.filter((_, index) => ends[index] === 'unknown')
    if (unknown.length > 0) throw new Failure('error', `Run ID does not exist: ${unknown.join(' ')}`)
    const code = ends.find((each) => each !== 0)
    if (typeof code === 'number') throw new Quit(code)
  })
}

/** The exit code that a run's end means. */
type End = number | 'unknown'

async function waitForAll(
  api: Api,
  world: World,
  ids: readonly number[],
  options: WaitOptions,
): Promise<readonly End[]> {
  const leaving = new AbortController()
  // Every run's stream listens to it, and Node would take so many listeners for a leak.
  setMaxListeners(0, leaving.signal)
  const forget = world.onInterrupt(() => leaving.abort(new Error('interrupted')))
  try {
    return await Promise.all(ids.map((id) => waitFor(api, world, id, options, leaving.signal)))
  } finally {
    forget()
  }
}

async function waitFor(
  api: Api,
  world: World,
  id: number,
  options: WaitOptions,
  leaving: AbortSignal,
): Promise<End> {
  const wish = { runId: id, follow: true, tailLines: 0, logs: false, times: false }
  try {
    const end = await followUntil(api, world, { wish, listener: silent(world) }, leaving)
    if (end.kind !== 'ended') throw new Quit(130)
    if (options.json) world.stdout.write(`${JSON.stringify(runAsJson(end.run))}\n`)
    else if (!options.quiet) world.stdout.write(`Run ${id}: ${statusOf(end.run)}\n`)
    return exitCodeFor(stateFromWire(end.run.state), end.run.exitCode, options.exitCode ?? false)
  } catch (error) {
    // The others are waited for all the same.
    if (error instanceof RpcError && error.code === 'NOT_FOUND') return 'unknown'
    throw error
  }
}

/** Says only when it cannot see the run for a while. */
function silent(world: World): Listener {
  return {
    async onRun(_run: Run__Output) {},
    async onLog() {},
    async onLine() {},
    onLost: (reason) =>
      note(world, `Lost sight of the run: ${reason.replace(/\.$/, '')}. It goes on; trying again...`),
    onBack: () => note(world, 'Following again.'),
    async end() {},
  }
}
