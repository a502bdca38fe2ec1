import type { Command } from 'commander'
import { define } from '../define.js'
import { addStart } from '../machines/start-command.js'
import type { World } from '../world.js'

const example = `
"spell cluster init" makes the folders of etcd's members.

Example:
  spell etcd start
`

export function build(world: World): Command {
  const etcd = define(world, 'etcd', "Start this machine's member of etcd.").addHelpText('after', example)
  addStart(world, etcd, 'etcd', "Start this machine's member of etcd; under systemd as a unit.")
  return etcd
}
