import type { Command } from 'commander'
import { currentContext, readConfig, removeContext, useContext } from '../config.js'
import { define, defineBelow } from '../define.js'
import { Failure } from '../failure.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { note, type World } from '../world.js'

const examples = `
Examples:
  spell context list
  spell context use lab
  spell ps --context lab
`

export function build(world: World): Command {
  const context = define(world, 'context', 'Choose between clusters.').addHelpText('after', examples)
  list(world, context)
  defineBelow(world, context, 'use', 'Speak to this cluster from now on.')
    .argument('<name>', 'name of a context')
    .option('--json', 'as a JSON object')
    .action(async (name: string, { json }: { readonly json?: true }) => {
      currentContext(await readConfig(world.settings.directory), name)
      await useContext(world.settings.directory, name)
      world.stdout.write(`${json ? JSON.stringify({ name }) : `Using ${printable(name)} from now on.`}\n`)
    })
  defineBelow(world, context, 'rm', 'Forget a cluster and the login to it.')
    .argument('<name>', 'name of a context')
    .option('--json', 'as a JSON object')
    .action(async (name: string, { json }: { readonly json?: true }) => {
      if (!(await removeContext(world.settings.directory, name))) {
        throw new Failure('configuration', `No context "${name}". See "spell context list".`)
      }
      world.stdout.write(`${json ? JSON.stringify({ name }) : `Removed context ${printable(name)}.`}\n`)
    })
  return context
}

function list(world: World, context: Command): void {
  const command = defineBelow(world, context, 'list', 'List the clusters that are known here.').option(
    '--json',
    'a JSON array',
  )
  command.action(async () => {
    const config = await readConfig(world.settings.directory)
    const current = config.contexts.length === 0 ? undefined : currentName(config)
    if (command.opts<{ json?: boolean }>().json) {
      const contexts = config.contexts.map(({ name, addresses, userName }) => ({
        name,
        current: name === current,
        addresses,
        user_name: userName || null,
      }))
      world.stdout.write(`${JSON.stringify(contexts)}\n`)
      return
    }
    if (config.contexts.length === 0)
      return note(
        world,
        'No contexts yet. Log in ("spell login") or bring up a cluster ("spell cluster up").',
      )
    const rows = config.contexts.map(({ name, addresses, userName }) => [
      name === current ? '*' : '',
      printable(name),
      printable(addresses.join(', ')),
      printable(userName),
    ])
    world.stdout.write(table(['', 'NAME', 'ADDRESSES', 'USER'], rows))
  })
}

/** Of a current context that is not there any more nothing is said here. */
function currentName(config: Awaited<ReturnType<typeof readConfig>>): string | undefined {
  if (config.currentContext !== undefined) return config.currentContext
  return currentContext(config)?.name
}
