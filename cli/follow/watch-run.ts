import { stateFromWire } from '../../proto/model/run-state.js'
import type { Api } from '../api.js'
import { Quit } from '../failure.js'
import { Screen } from '../output/screen.js'
import { withEmoji } from '../output/style.js'
import type { World } from '../world.js'
import { type FollowEnd, follow } from './follow.js'
import { JsonListener, RawListener } from './listeners.js'
import { Pace } from './pace.js'
import { Story } from './story.js'

export interface WatchOptions {
  readonly runId: number
  readonly follow: boolean
  readonly tailLines: number | undefined
  /** At the run's own speed. */
  readonly delay?: boolean | undefined
  readonly verbose: boolean
  readonly output: 'story' | 'raw' | 'json'
  /** The run was submitted by the same command, so ^C says what becomes of it. */
  readonly submittedHere: boolean
  /** The run's exit code is to be the program's. */
  readonly exitCode: boolean
}

/** Shows a run on standard output; ends the program with what the run's end means. */
export async function watchRun(api: Api, world: World, options: WatchOptions): Promise<void> {
  const { runId, tailLines } = options
  const screen = new Screen(world)
  const times = options.delay === true || options.output === 'json'
  const wish = { runId, follow: options.follow, tailLines, logs: true, times }
  const pace = options.delay ? new Pace(world.clock) : undefined
  const end = await follow(api, world, { wish, pace, listener: listenerFor(options, screen, world) })
  if (end.kind === 'left') {
    screen.stopWaiting()
    if (options.output === 'story') world.stdout.write(farewell(screen, options))
    return
  }
  if (options.follow) quitAs(end, options.exitCode)
}

/** The program's exit code for how a followed run ended. */
export function exitCodeFor(
  state: string,
  runExitCode: number | undefined,
  wantsRunExitCode: boolean,
): number {
  const good = state === 'complete' || state === 'stopped'
  if (!wantsRunExitCode) return good ? 0 : 1
  return runExitCode || (good ? 0 : 1)
}

function listenerFor(options: WatchOptions, screen: Screen, world: World) {
  switch (options.output) {
    case 'raw':
      return new RawListener(world)
    case 'json':
      return new JsonListener(world)
    case 'story':
      return new Story(screen, {
        verbose: options.verbose,
        past: options.tailLines === undefined ? 'told' : options.follow ? 'skipped' : 'log alone',
      })
  }
}

function farewell(screen: Screen, { runId, submittedHere }: WatchOptions): string {
  const again = `Use 'spell logs ${runId}' to view logs again`
  const lines = submittedHere
    ? ['Your run is still running remotely.', `Use 'spell kill ${runId}' to terminate your run`, again]
    : [again]
  return `\n${lines.map((line) => `${withEmoji(screen.style, '✨', line)}\n`).join('')}`
}

function quitAs(end: FollowEnd, wantsRunExitCode: boolean): void {
  if (end.kind !== 'ended') return
  const code = exitCodeFor(stateFromWire(end.run.state), end.run.exitCode, wantsRunExitCode)
  if (code !== 0) throw new Quit(code)
}
