import { existsSync } from 'node:fs'
import { layoutOf } from '../cluster/layout.js'
import { addressOf, coordinatorNames, etcdName, etcdPeers } from '../cluster/listeners.js'
import { releaseLock, takeLock } from '../cluster/lock.js'
import { readPlan } from '../cluster/plan-file.js'
import { localEnvironment } from '../cluster/settings.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'
import { refuseRunning } from './refuse-running.js'
import { type Restored, restoreMember } from './restore.js'

/** Gives the etcd of a cluster that `spell cluster up` has made, and that is down, what a backup holds. */
export async function restoreLocal(world: World, file: string, dir: string): Promise<Restored> {
  const layout = layoutOf(dir)
  const plan = readPlan(layout)
  if (!plan || !existsSync(layout.clusterKeyFile))
    throw new Failure('error', `There is no cluster in ${dir}.`)
  takeLock(layout)
  try {
    refuseRunning(
      [
        `--data-dir=${layout.etcdFolder}`,
        // One that has led would go on with what it has in memory.
        ...coordinatorNames(plan).map((name) => `--settings=${layout.settingsFile(name)}`),
      ],
      `"spell cluster down --dir ${dir}" ends them`,
    )
    const peerUrl = `https://${addressOf(plan, etcdPeers)}`
    const member = {
      name: etcdName,
      peerUrl,
      initialCluster: `${etcdName}=${peerUrl}`,
      folder: layout.etcdFolder,
      clusterKeyFile: layout.clusterKeyFile,
    }
    return await restoreMember(world, file, member, localEnvironment().searchPath)
  } finally {
    releaseLock(layout)
  }
}
