import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { layoutOf } from '../cluster/layout.js'
import { addressOf, coordinatorNames, etcdName, etcdPeers } from '../cluster/listeners.js'
import { releaseLock, takeLock } from '../cluster/lock.js'
import { readPlan } from '../cluster/plan-file.js'
import { processesWith } from '../cluster/process-table.js'
import { localEnvironment } from '../cluster/settings.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'
import { type Restored, restoreMember } from './restore.js'

/** Gives the etcd of a cluster that `spell cluster up` has made, and that is down, what a backup holds. */
export async function restoreLocal(world: World, file: string, dir: string): Promise<Restored> {
  const layout = layoutOf(dir)
  const plan = readPlan(layout)
  if (!plan || !existsSync(layout.clusterKeyFile))
    throw new Failure('error', `There is no cluster in ${dir}.`)
  takeLock(layout)
  try {
    refuseRunning(dir, [
      `--data-dir=${layout.etcdFolder}`,
      // One that has led would go on with what it has in memory.
      ...coordinatorNames(plan).map((name) => `--settings=${layout.settingsFile(name)}`),
    ])
    const peerUrl = `https://${addressOf(plan, etcdPeers)}`
    const member = {
      name: etcdName,
      peerUrl,
      initialCluster: `${etcdName}=${peerUrl}`,
      token: `spell-${randomUUID()}`,
      folder: layout.etcdFolder,
    }
    return await restoreMember(world, file, member, localEnvironment().searchPath)
  } finally {
    releaseLock(layout)
  }
}

function refuseRunning(dir: string, marks: readonly string[]): void {
  const pids = marks.flatMap((mark) => processesWith(mark)).map(({ pid }) => pid)
  if (pids.length === 0) return
  throw new Failure(
    'error',
    `Programs of the cluster in ${dir} run without their supervisor (processes ${pids.join(', ')}). "spell cluster down --dir ${dir}" ends them.`,
  )
}
