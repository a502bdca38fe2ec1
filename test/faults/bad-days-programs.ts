import { layoutOf } from '../../cli/cluster/layout.js'
import { isAlive, type ProcessIdentity, processesWith } from '../../cli/cluster/process-table.js'
import type { TestCluster } from '../fixtures/cluster.js'
import { until } from './bad-days-writer.js'

export type Program = 'agent' | 'coordinator' | 'etcd'

/**
 * SIGKILL to these programs of a cluster, and to its supervisor first, which would start them anew. They stay away until
 * the next `up`, as on a machine where nothing looks after them.
 */
export async function killPrograms(cluster: TestCluster, programs: readonly Program[]): Promise<void> {
  await killAll(processesWith(`--cluster=${cluster.dir}`))
  await killAll(programs.flatMap((program) => processesWith(markOf(cluster, program))))
}

function markOf(cluster: TestCluster, program: Program): string {
  const layout = layoutOf(cluster.dir)
  switch (program) {
    case 'agent':
      return `--settings=${layout.settingsFile('node-1')}`
    case 'coordinator':
      return `--settings=${layout.settingsFile('coordinator-1')}`
    case 'etcd':
      return `--data-dir=${layout.etcdFolder}`
  }
}

/** The process of one program, to be paused. */
export function processOf(cluster: TestCluster, program: Program): number {
  const [found] = processesWith(markOf(cluster, program))
  if (!found) throw new Error(`There is no ${program}.`)
  return found.pid
}

async function killAll(processes: readonly ProcessIdentity[]): Promise<void> {
  for (const { pid } of processes) process.kill(pid, 'SIGKILL')
  await until(() => !processes.some(isAlive))
}
