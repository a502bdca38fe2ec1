import { type Command, Option } from 'commander'
import { define } from '../define.js'
import type { DoctorFlags } from '../machines/doctor.js'
import type { World } from '../world.js'

const examples = `
Exit code 1: something is wrong that keeps a machine from being a node.

Examples:
  spell doctor
  spell doctor gpus.example.org:7000
`

export function build(world: World): Command {
  const command = define(world, 'doctor', 'Check whether this machine is fit to be a node.')
    .argument('[address]', 'host:port of coordinators, separated by commas (those of the node)')
    .addOption(
      new Option('--runtime <name>', 'what runs execute in (docker)').choices(['docker', 'process'] as const),
    )
    .option('--docker-socket <path>', 'of the Docker Engine (/var/run/docker.sock)')
    .option('--dir <dir>', "the node's folder (/var/lib/spell/node, or ~/.spell/node where you are not root)")
    .option('--json', 'a JSON object')
    .addHelpText('after', examples)
  return command.action(async (address: string | undefined, flags: DoctorFlags) => {
    const { examine } = await import('../machines/doctor.js')
    await examine(world, address, flags)
  })
}
