import type { Clock } from '../../common/clock.js'
import { endProcesses } from './end-processes.js'
import type { Layout } from './layout.js'
import { coordinatorNames, nodeNames } from './listeners.js'
import { readPlan } from './plan-file.js'
import { isAlive, processesWith } from './process-table.js'
import { readProgress, writeProgress } from './progress-file.js'

/** Ends the supervisor, which leaves its processes alone, and then those: agents, coordinators, etcd. Runs go on. */
export async function endCluster(layout: Layout, clock: Clock): Promise<void> {
  await endProcesses(processesWith(`--cluster=${layout.dir}`), clock)
  const plan = readPlan(layout)
  const known = readProgress(layout).processes.map((one) => one.name)
  const names = (role: 'coordinator' | 'node', planned: readonly string[]): readonly string[] => [
    ...new Set([...planned, ...known.filter((name) => name.startsWith(`${role}-`))]),
  ]
  const ours = (list: readonly string[]) =>
    list.flatMap((name) => processesWith(`--settings=${layout.settingsFile(name)}`))
  await endProcesses(ours(names('node', plan ? nodeNames(plan) : [])), clock)
  await endProcesses(ours(names('coordinator', plan ? coordinatorNames(plan) : [])), clock)
  await endProcesses(processesWith(`--data-dir=${layout.etcdFolder}`).filter(isAlive), clock)
  writeProgress(layout, { supervisor: undefined, processes: [] })
}
