import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { execa } from 'execa'
import { Failure } from '../failure.js'
import { announceSlow } from '../output/announce-slow.js'
import type { World } from '../world.js'
import { refuseOtherKey } from './key-of-backup.js'
import { checkSnapshotFile, findEtcdctl, type SnapshotStatus, snapshotStatus } from './snapshot-file.js'

/** One etcd member that is to begin with what a backup holds. */
export interface Member {
  readonly name: string
  /** `https://host:port` at which the other members reach it. */
  readonly peerUrl: string
  /** etcd's `--initial-cluster`: every member with its peer URL, this one included. */
  readonly initialCluster: string
  /** Its data folder. */
  readonly folder: string
  /** What the cluster's secrets are sealed with, where this machine has it. */
  readonly clusterKeyFile: string
}

export interface Restored {
  readonly status: SnapshotStatus
  readonly bytes: number
  /** Where the data that were there have gone; undefined: there were none. */
  readonly before: string | undefined
}

const patienceMs = 3_600_000

/** The file is checked first, and the member's folder changes only when the new one is whole. The member must be down. */
export async function restoreMember(
  world: World,
  file: string,
  member: Member,
  searchPath: readonly string[],
): Promise<Restored> {
  const etcdctl = findEtcdctl(searchPath)
  const slow = announceSlow(world, `Reading ${file}`)
  try {
    const { bytes, sha256 } = await checkSnapshotFile(file)
    await refuseOtherKey(file, member.clusterKeyFile)
    const status = await snapshotStatus(etcdctl, file)
    const next = join(dirname(member.folder), `etcd.restoring-${process.pid}`)
    await rm(next, { recursive: true, force: true })
    try {
      await unpack(etcdctl, file, { ...member, token: `spell-${sha256}` }, next)
      const before = await moveAside(world, member.folder)
      await rename(next, member.folder)
      return { status, bytes, before }
    } finally {
      await rm(next, { recursive: true, force: true })
    }
  } finally {
    slow.end()
  }
}

/**
 * The token, etcd's `--initial-cluster-token`, is the backup's own: members that are restored from one backup have it in
 * common, and no cluster that a backup was taken of can have had that backup's. By the id that etcd makes of it
 * coordinators know that a backup was restored.
 */
async function unpack(
  etcdctl: string,
  file: string,
  member: Member & { readonly token: string },
  folder: string,
): Promise<void> {
  const words = [
    ...['snapshot', 'restore', file, `--name=${member.name}`, `--data-dir=${folder}`],
    `--initial-cluster=${member.initialCluster}`,
    `--initial-cluster-token=${member.token}`,
    `--initial-advertise-peer-urls=${member.peerUrl}`,
  ]
  const { failed, stderr } = await execa(etcdctl, words, {
    env: { ETCDCTL_API: '3' },
    reject: false,
    timeout: patienceMs,
  })
  if (!failed) return
  const said = stderr.split('\n').filter(Boolean).at(-1) ?? 'it said nothing'
  throw new Failure('error', `etcdctl could not restore ${file}: ${said}`)
}

async function moveAside(world: World, folder: string): Promise<string | undefined> {
  if (!existsSync(folder)) return undefined
  const stamp = new Date(world.clock.now()).toISOString().replace(/[-:]|\.\d+Z/g, '')
  const place = `${folder}.before-${stamp}`
  await rename(folder, place)
  return place
}
