import { Failure } from '../failure.js'
import type { World } from '../world.js'
import { Administrator } from './administrator.js'
import { type Layout, layoutOf } from './layout.js'
import { coordinatorAddress, coordinatorNames, nodeNames } from './listeners.js'
import { type ClusterPlan, readPlan } from './plan-file.js'
import { processesWith } from './process-table.js'
import { readProgress } from './progress-file.js'

/** One row of `spell cluster status --json`; the names are promised in docs/operating.md. */
export interface ProcessStatus {
  readonly role: 'supervisor' | 'etcd' | 'coordinator' | 'node-agent'
  readonly name: string
  /** null: it does not run. */
  readonly pid: number | null
  readonly address: string | null
  readonly leader: boolean
  readonly restarts: number
  readonly log: string
}

export interface ClusterStatus {
  readonly name: string
  readonly dir: string
  /** `up`: everything runs and there is a leader; `down`: nothing runs; `degraded`: neither. */
  readonly state: 'up' | 'degraded' | 'down'
  readonly runtime: string
  readonly newest_run_id: number | null
  readonly processes: readonly ProcessStatus[]
}

/** Throws Failure when there has never been a cluster in the folder. */
export async function clusterStatus(world: World, dir: string): Promise<ClusterStatus> {
  const layout = layoutOf(dir)
  const plan = readPlan(layout)
  if (!plan)
    throw new Failure('error', `There is no cluster in ${dir}. "spell cluster up --dir ${dir}" makes one.`)
  const rows = processRows(layout, plan)
  const running = rows.filter((row) => row.pid !== null)
  const answer = running.some((row) => row.role === 'coordinator')
    ? await askLeader(world, layout, plan)
    : undefined
  const processes = rows.map((row) => ({
    ...row,
    leader: row.role === 'coordinator' && row.name === answer?.leaderId,
  }))
  const allUp = running.length === rows.length && processes.some((row) => row.leader)
  return {
    name: plan.name,
    dir,
    state: running.length === 0 ? 'down' : allUp ? 'up' : 'degraded',
    runtime: plan.runtime,
    newest_run_id: answer?.newestRunId ?? null,
    processes,
  }
}

function processRows(layout: Layout, plan: ClusterPlan): readonly ProcessStatus[] {
  const progress = new Map(readProgress(layout).processes.map((one) => [one.name, one]))
  const row = (
    role: ProcessStatus['role'],
    name: string,
    mark: string,
    address: string | null,
  ): ProcessStatus => ({
    role,
    name,
    pid: processesWith(mark)[0]?.pid ?? null,
    address,
    leader: false,
    restarts: progress.get(name)?.restarts ?? 0,
    log: layout.logFile(name),
  })
  const settings = (name: string) => `--settings=${layout.settingsFile(name)}`
  return [
    row('supervisor', 'supervisor', `--cluster=${layout.dir}`, null),
    row('etcd', 'etcd', `--data-dir=${layout.etcdFolder}`, `127.0.0.1:${plan.ports['etcd.clients']}`),
    ...coordinatorNames(plan).map((name) =>
      row('coordinator', name, settings(name), coordinatorAddress(plan, name, 'users')),
    ),
    ...nodeNames(plan).map((name) => row('node-agent', name, settings(name), null)),
  ]
}

async function askLeader(world: World, layout: Layout, plan: ClusterPlan) {
  const administrator = new Administrator(layout, plan, world.clock)
  try {
    return await administrator.cluster()
  } catch {
    return undefined
  } finally {
    administrator.close()
  }
}
