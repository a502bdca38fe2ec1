import { existsSync, rmSync } from 'node:fs'
import { endProcesses } from '../cluster/end-processes.js'
import { lockHolder } from '../cluster/lock.js'
import { processesWith } from '../cluster/process-table.js'
import { Failure } from '../failure.js'
import { confirm } from '../output/ask.js'
import { note, type World } from '../world.js'
import { folderOf } from './folders.js'
import { removeUnit } from './systemd.js'

export interface LeaveFlags {
  readonly dir?: string
  readonly yes?: true
}

/** Ends this machine's agent and forgets who it was. The cluster keeps the node until it is removed there. */
export async function leave(world: World, flags: LeaveFlags): Promise<void> {
  const folder = folderOf(world, 'node', flags.dir)
  if (!existsSync(folder.trust.keyFile))
    throw new Failure('error', `There is no node in ${folder.dir}: this machine has nothing to leave.`)
  const consequence = `This ends the agent in ${folder.dir} and deletes its identity and what it still has to report or to push; runs on this machine are lost to the cluster.`
  if (
    !flags.yes &&
    !(await confirm(world, `${consequence} Continue?`, `${consequence} Use --yes to agree to that.`))
  )
    throw new Failure('error', 'Nothing was ended.')
  await removeUnit(folder, (file) => rmSync(file, { force: true }))
  const keeper = lockHolder(folder.layout)
  await endProcesses(
    [...(keeper ? [keeper] : []), ...processesWith(`--settings=${folder.settingsFile}`)],
    world.clock,
  )
  for (const path of [folder.settingsFile, folder.layout.trustFolder, folder.dataFolder, folder.unitFile])
    rmSync(path, { recursive: true, force: true })
  note(
    world,
    'This machine is no node any more. An admin makes the cluster forget it: "spell node remove NAME".',
  )
}
