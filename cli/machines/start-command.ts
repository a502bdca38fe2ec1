import type { Command } from 'commander'
import { defineBelow } from '../define.js'
import type { World } from '../world.js'
import type { ProgramName } from './folders.js'
import type { StartFlags } from './start.js'

/** `spell etcd start` and its like. */
export function addStart(world: World, parent: Command, name: ProgramName, summary: string): void {
  const command = defineBelow(world, parent, 'start', summary)
    .option('--dir <dir>', `its folder (/var/lib/spell/${name}, or ~/.spell/${name} where you are not root)`)
    .option('--foreground', 'stay and keep it running, also where there is systemd')
  command.action(async (flags: StartFlags) => {
    const { startProgram } = await import('./start.js')
    await startProgram(world, name, flags)
  })
}
