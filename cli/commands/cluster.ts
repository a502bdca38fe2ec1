import type { Command } from 'commander'
import { connect } from '../api.js'
import { addLocalClusterCommands } from '../cluster/commands.js'
import { define, defineBelow } from '../define.js'
import { addKeepingCommands } from '../keeping/commands.js'
import { later } from '../later.js'
import { addMachineTypeCommands } from '../machine-type/commands.js'
import { addInit } from '../machines/cluster-commands.js'
import { addCoordinatorToken } from '../machines/commands.js'
import { printable } from '../output/style.js'
import { addUserCommands } from '../people/user-commands.js'
import type { World } from '../world.js'

const examples = `
Examples:
  spell cluster up --detach
  spell cluster init --name lab --store /srv/spell
  spell cluster status
  spell cluster set default-image python:3.11
  spell cluster set private true
  spell cluster user add ann
  spell cluster machine-type list
  spell cluster backup lab-monday.db
`

export function build(world: World): Command {
  const cluster = define(world, 'cluster', 'Bring up and administer a cluster.').addHelpText(
    'after',
    examples,
  )
  addLocalClusterCommands(world, cluster)
  addKeepingCommands(world, cluster)
  addInit(world, cluster)
  addCoordinatorToken(world, cluster)
  setCommand(world, cluster)
  addUserCommands(world, cluster)
  addMachineTypeCommands(world, cluster)
  for (const name of ['list', 'add-bucket', 'add-docker-registry', 'delete-docker-registry', 'delete']) {
    later(world, cluster, `cluster ${name}`)
  }
  return cluster
}

function setCommand(world: World, cluster: Command): void {
  const command = defineBelow(world, cluster, 'set', 'Change a setting of the cluster.')
    .argument('<name>', 'default-image, cpu-share or private')
    .argument('<value>', 'its new value; empty: back to the default')
    .option('--json', 'as a JSON object')
  command.action(async (name: string, value: string) => {
    const options = command.optsWithGlobals<{ context?: string; json?: boolean }>()
    const api = await connect(world, options.context)
    await api.call('Cluster', 'Set', { name, value })
    const done =
      value === '' ? `Successfully reset ${name}.` : `Successfully set ${name} to ${printable(value)}.`
    const json = () => JSON.stringify({ name, value: value || null })
    world.stdout.write(`${options.json ? json() : done}\n`)
  })
}
