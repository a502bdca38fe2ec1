import { dirname, join } from 'node:path'
import { releaseLock, takeLock } from '../cluster/lock.js'
import { localEnvironment } from '../cluster/settings.js'
import { Failure } from '../failure.js'
import { readEtcdSettings } from '../machines/etcd-settings.js'
import { programFolder } from '../machines/folders.js'
import { at } from '../machines/hosts.js'
import { alreadyKept } from '../machines/keep-running.js'
import type { World } from '../world.js'
import { refuseRunning } from './refuse-running.js'
import { type Restored, restoreMember } from './restore.js'

export interface RestoredHere extends Restored {
  /** The machines of the other members, which are to be restored from the same file. */
  readonly otherHosts: readonly string[]
}

/** Gives the member of etcd in this folder, which `spell cluster init` has made, what a backup holds. */
export async function restoreMachine(world: World, file: string, dir: string): Promise<RestoredHere> {
  const folder = programFolder('etcd', dir)
  const settings = readEtcdSettings(folder)
  const url = (host: string) => `https://${at(host, settings.peerPort)}`
  const own = settings.members.find(({ name }) => name === settings.name)
  if (!own)
    throw new Failure(
      'configuration',
      `${folder.settingsFile} names no host for the member ${settings.name}.`,
    )
  takeLock(folder.layout, alreadyKept)
  try {
    const coordinator = programFolder('coordinator', join(dirname(dir), 'coordinator'))
    refuseRunning(
      [`--data-dir=${folder.dataFolder}`, `--settings=${coordinator.settingsFile}`],
      '"systemctl stop spell-coordinator spell-etcd" or ^C at what keeps them running ends them',
    )
    const member = {
      name: settings.name,
      peerUrl: url(own.host),
      initialCluster: settings.members.map(({ name, host }) => `${name}=${url(host)}`).join(','),
      folder: folder.dataFolder,
      clusterKeyFile: coordinator.trust.clusterKeyFile,
    }
    const restored = await restoreMember(world, file, member, localEnvironment().searchPath)
    return {
      ...restored,
      otherHosts: settings.members.filter((one) => one !== own).map(({ host }) => host),
    }
  } finally {
    releaseLock(folder.layout)
  }
}
