import type { Command } from 'commander'
import type { SteerResponse__Output } from '../../proto/gen/spell/v1/SteerResponse.js'
import { connect } from '../api.js'
import { define, runIds } from '../define.js'
import { Failure, Quit } from '../failure.js'
import { steeredAsJson } from '../output/steered-json.js'
import { note, type World } from '../world.js'

interface SteerOptions {
  readonly context?: string
  readonly quiet?: boolean
  readonly json?: boolean
}

/** How `stop`, `kill` and `archive` differ. */
export interface Steering {
  readonly name: 'stop' | 'kill' | 'archive'
  readonly method: 'Stop' | 'Kill' | 'Archive'
  readonly summary: string
  readonly examples: string
  /** Printed after the one run was steered. */
  readonly one: (id: number) => string
  /** Printed before several are. */
  readonly heading: string | undefined
  /** Printed after several were. */
  readonly several: (ids: string) => string
  /** Whether runs that have ended are fit for it. */
  readonly ofFinished: boolean
}

export function steerCommand(world: World, steering: Steering): Command {
  const command = define(world, steering.name, steering.summary)
    .argument('<id...>', 'ids of runs', runIds)
    .option('-q, --quiet', 'print nothing')
    .option('--json', 'as a JSON object')
    .addHelpText('after', `\nExamples:\n${steering.examples}`)
  return command.action(async (ids: readonly number[]) => {
    const options = command.opts<SteerOptions>()
    const api = await connect(world, options.context)
    const answer = await api.call<SteerResponse__Output>('Runs', steering.method, { runIds: ids })
    if (options.json) world.stdout.write(`${JSON.stringify(steeredAsJson(answer))}\n`)
    else if (ids.length === 1 && ids[0] !== undefined) one(world, steering, ids[0], answer, options)
    else if (!options.quiet) world.stdout.write(several(steering, answer))
    if (answer.unknown.length + answer.notPermitted.length > 0) throw new Quit(1)
  })
}

function one(
  world: World,
  steering: Steering,
  id: number,
  answer: SteerResponse__Output,
  options: SteerOptions,
): void {
  if (answer.unknown.length > 0) throw new Failure('error', `Run ID does not exist: ${id}`)
  if (answer.notPermitted.length > 0)
    throw new Failure('error', `Run ${id} is not yours to ${steering.name}.`)
  if (answer.done.length > 0) {
    if (!options.quiet) world.stdout.write(`${steering.one(id)}\n`)
    return
  }
  if (steering.ofFinished) throw new Failure('error', `Run ${id} cannot be archived.`)
  if (!options.quiet) note(world, `Already finished: ${id}`)
}

function several(steering: Steering, answer: SteerResponse__Output): string {
  const lines: string[] = steering.heading === undefined ? [] : [steering.heading]
  const bar = steering.heading === undefined ? '' : '| '
  const list = (ids: readonly number[]) => ids.join(' ')
  const troubles: readonly (readonly [string, readonly number[]])[] = [
    ['Already finished', answer.alreadyFinished],
    ['Run ID does not exist', answer.unknown],
    ['Not permitted', answer.notPermitted],
  ]
  for (const [what, ids] of troubles) if (ids.length > 0) lines.push(`${bar}${what}: ${list(ids)}`)
  if (answer.done.length > 0) {
    if (steering.heading !== undefined) lines.push('-'.repeat(50))
    lines.push(`${bar}${steering.several(list(answer.done))}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}
