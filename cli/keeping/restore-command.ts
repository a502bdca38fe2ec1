import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { clusterDirOf } from '../cluster/cluster-dir.js'
import { layoutOf } from '../cluster/layout.js'
import { folderOf, programFolder } from '../machines/folders.js'
import type { World } from '../world.js'
import type { Restored } from './restore.js'

export interface RestoredCluster extends Restored {
  /** The folder of the cluster, or of this machine's member of etcd. */
  readonly dir: string
  /** What is to be done next, a sentence each. */
  readonly next: readonly string[]
}

/** Whatever kind of cluster is meant: one of this machine alone, or a member of one over several. */
export async function restore(world: World, file: string, command: Command): Promise<RestoredCluster> {
  const { dir: named } = command.opts<{ dir?: string }>()
  const dir = await clusterDirOf(world, command)
  const member = memberFolder(world, dir, named)
  if (member === undefined) {
    const { restoreLocal } = await import('./restore-local.js')
    const restored = await restoreLocal(world, file, dir)
    return { ...restored, dir, next: [`Now bring the cluster up: "spell cluster up --dir ${dir}".`] }
  }
  const { restoreMachine } = await import('./restore-machine.js')
  const { otherHosts, ...restored } = await restoreMachine(world, file, member)
  const others = `Do the same with the same file on ${otherHosts.join(' and ')}, before any of them is started.`
  return {
    ...restored,
    dir: member,
    next: [
      ...(otherHosts.length > 0 ? [others] : []),
      'Now start etcd ("spell etcd start") and then the coordinators ("spell coordinator start"), on each machine; every coordinator has to be started anew.',
    ],
  }
}

/** Undefined: a cluster of this machine is meant. */
function memberFolder(world: World, dir: string, named: string | undefined): string | undefined {
  if (existsSync(layoutOf(dir).planFile)) return undefined
  const usual = folderOf(world, 'etcd', undefined).dir
  const candidates = named === undefined ? [usual] : [dir, join(dir, 'etcd')]
  return candidates.find((each) => existsSync(programFolder('etcd', each).settingsFile))
}
