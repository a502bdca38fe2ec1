import { note, type World } from '../world.js'
import { folderOf, type ProgramName } from './folders.js'
import { keepRunning } from './keep-running.js'
import { planStart, type StartPlan } from './program-plans.js'
import { installUnit, keepUnit, whyNoUnits } from './systemd.js'
import { unitName } from './units.js'

export interface StartFlags {
  readonly dir?: string
  readonly foreground?: true
}

/** `spell etcd start` and its like. */
export async function startProgram(world: World, name: ProgramName, flags: StartFlags): Promise<void> {
  await startAll(world, [planStart(folderOf(world, name, flags.dir))], flags)
}

/** Under systemd a unit each, and back; elsewhere it stays and keeps them running. */
export async function startAll(
  world: World,
  plans: readonly StartPlan[],
  flags: Pick<StartFlags, 'foreground'>,
): Promise<void> {
  for (const plan of plans) await keepUnit(plan.folder, plan.unit)
  const without = whyNoUnits()
  if (!flags.foreground && without === undefined) {
    for (const { folder, unit } of plans) {
      await installUnit(folder, unit)
      note(
        world,
        `${unitName(folder.name)} runs, and will after a reboot ("systemctl status ${unitName(folder.name)}").`,
      )
    }
    return
  }
  if (!flags.foreground) note(world, `${without}, so this command stays.`)
  await keepRunning(world, plans)
}
