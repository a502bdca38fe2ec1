import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { currentContext, readConfig } from '../config.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'
import { layoutOf } from './layout.js'

/** Which cluster is meant. */
interface PlaceFlags {
  readonly dir?: string
  readonly context?: string
}

export function withDir(command: Command): Command {
  return command.option(
    '--dir <dir>',
    "the cluster's folder (that of the current context, else ~/.spell/local)",
  )
}

/** What was named, by its folder or its context; else the current context's cluster; else the usual one. */
export async function clusterDirOf(world: World, command: Command): Promise<string> {
  const { dir, context } = command.optsWithGlobals<PlaceFlags>()
  if (dir === '') throw new Failure('usage', '--dir needs the name of a folder.')
  if (dir !== undefined) return resolve(world.cwd, dir)
  const { directory } = world.settings
  const own = currentContext(await readConfig(directory), context)?.dir
  if (own !== undefined && existsSync(layoutOf(own).planFile)) return own
  if (context === undefined) return join(directory, 'local')
  throw new Failure('error', `The context "${context}" leads to no cluster of this machine; use --dir.`)
}
