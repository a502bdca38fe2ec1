import { Command, InvalidArgumentError } from 'commander'
import { Failure } from './failure.js'
import { parseDuration } from './output/duration.js'
import type { World } from './world.js'

// What all commands have in common, and how they read their words.

/** A command that writes to the world's streams, throws instead of ending the program, and knows --help and --context. */
export function define(world: World, name: string, summary: string): Command {
  return settle(world, new Command(`spell ${name}`), `spell ${name}`).description(summary)
}

/** A command below a command, such as `create` of `project`. */
export function defineBelow(world: World, parent: Command, name: string, summary: string): Command {
  const path = `${pathOf(parent)} ${name}`
  const command = settle(world, new Command(name), path).description(summary)
  parent.addCommand(command)
  return command
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function settle(world: World, command: Command, path: string): Command {
  return command
    .exitOverride()
    .configureOutput({
      writeOut: (text) => world.stdout.write(text),
      writeErr: (text) => world.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error:/, 'Error:')),
      getOutHelpWidth: () => world.stdout.columns || 100,
      getErrHelpWidth: () => world.stderr.columns || 100,
    })
    .option('--context <name>', 'speak to this cluster instead of the current one')
    .showHelpAfterError(`See "${path} --help".`)
    .helpCommand(false)
}

/** For options that may be repeated: `option('--pip <spec>', '…', collect)`. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}

/** The wire has 32 bits for counts: more would arrive as something else. */
export const mostOnTheWire = 2 ** 31 - 1

export function wholeNumber(minimum: number, maximum = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return (value) => {
    const number = Number(value)
    if (/^\d+$/.test(value) && number > maximum)
      throw new InvalidArgumentError(`It must be a whole number, ${maximum} or less.`)
    if (/^\d+$/.test(value) && number >= minimum) return number
    throw new InvalidArgumentError(`It must be a whole number, ${minimum} or more.`)
  }
}

/** Milliseconds; a number alone counts the unit. */
export function duration(unit: 's' | 'm'): (value: string) => number {
  const name = unit === 's' ? 'seconds' : 'minutes'
  return (value) => {
    const milliseconds = parseDuration(value, unit)
    if (milliseconds === undefined || milliseconds <= 0) {
      throw new InvalidArgumentError(`It must be a number of ${name}, or a time such as 90m or 36h.`)
    }
    return milliseconds
  }
}

/** A run's id as people write it: `7`, or `runs/7` as in a resource. */
export function runId(value: string): number {
  const digits = value.replace(/^runs\/|^#/, '').replace(/\/$/, '')
  const id = Number(digits)
  if (/^\d+$/.test(digits) && Number.isSafeInteger(id) && id > 0) return id
  throw new InvalidArgumentError('It must be the id of a run, such as 7.')
}

/** As many as the cluster takes in one request. */
const maxIds = 1000

/** For arguments that are ids of runs: each once, in the order in which they were written. */
export function runIds(value: string, before: readonly number[] = []): readonly number[] {
  const id = runId(value)
  if (before.includes(id)) return before
  if (before.length === maxIds) throw new Failure('usage', `At most ${maxIds} runs at once.`)
  return [...before, id]
}
