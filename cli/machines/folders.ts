import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Layout, layoutOf } from '../cluster/layout.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'

// Where the programs of a machine are: `/var/lib/spell/{etcd,coordinator,node}` for root, the same below `~/.spell` for
// anybody else. Each folder is whole by itself: settings, what the program is trusted by, and its data.

export const programNames = ['etcd', 'coordinator', 'node'] as const
export type ProgramName = (typeof programNames)[number]

/** A program's folder; `layout` has what it shares with a cluster of one machine: lock, logs, who runs. */
export interface ProgramFolder {
  readonly name: ProgramName
  readonly dir: string
  readonly settingsFile: string
  readonly dataFolder: string
  readonly trust: {
    readonly caFile: string
    readonly certFile: string
    readonly keyFile: string
    /** Of coordinators only. */
    readonly clusterKeyFile: string
    /** On the first coordinator only. */
    readonly authorityKeyFile: string
  }
  /** The unit as it was made for this folder. */
  readonly unitFile: string
  readonly layout: Layout
}

/** Below it lie the folders of this machine's programs, unless a command names another. */
export function machineRoot(world: World, dir: string | undefined): string {
  if (dir === '') throw new Failure('usage', '--dir needs the name of a folder.')
  if (dir !== undefined) return resolve(world.cwd, dir)
  return process.getuid?.() === 0 ? '/var/lib/spell' : world.settings.directory
}

/** The folder that `--dir` names, else the usual one of this program. */
export function folderOf(world: World, name: ProgramName, dir: string | undefined): ProgramFolder {
  return programFolder(
    name,
    dir === undefined ? join(machineRoot(world, dir), name) : machineRoot(world, dir),
  )
}

export function programFolder(name: ProgramName, dir: string): ProgramFolder {
  const trust = join(dir, 'trust')
  return {
    name,
    dir,
    settingsFile: join(dir, 'settings.json'),
    dataFolder: join(dir, 'data'),
    trust: {
      caFile: join(trust, 'ca.pem'),
      certFile: join(trust, 'cert.pem'),
      keyFile: join(trust, 'key.pem'),
      clusterKeyFile: join(trust, 'cluster.key'),
      authorityKeyFile: join(trust, 'authority-key.pem'),
    },
    unitFile: join(dir, `spell-${name}.service`),
    layout: layoutOf(dir),
  }
}

/** Undefined: there is none. */
export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Failure('error', `Could not read ${file}: ${(error as Error).message}`, { cause: error })
  }
}
