import { copyFile, mkdir, stat, utimes } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { systemCode } from '../../spellfs/disk-errors.js'
import { type GitParts, gitOutput } from './git.js'
import { type Repository, withoutNewline } from './repository.js'

export interface ShadowTree {
  readonly tree: string
  /** What git needs to find the tree's new objects. */
  readonly env: Readonly<Record<string, string>>
}

/**
 * Makes a tree of the working tree's tracked files as they are now (with 'take' of untracked ones too), by a copy of the
 * index in `folder` and an object database of its own there: nothing is written into the repository.
 */
export async function shadowTree(
  repository: Repository,
  untracked: 'take' | 'leave',
  folder: string,
  parts: GitParts,
): Promise<ShadowTree> {
  const cwd = repository.root
  const index = join(folder, 'index')
  const objects = join(folder, 'objects')
  await mkdir(objects)
  await copyIndex(await gitPath('index'), index)
  const env = {
    GIT_INDEX_FILE: index,
    GIT_OBJECT_DIRECTORY: objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: quoted(await gitPath('objects')),
  }
  await gitOutput(['add', '--update', '--', '.'], { cwd, env }, parts)
  if (untracked === 'take')
    await gitOutput(['add', '--all', '--', '.', ':(exclude,glob)**/.DS_Store'], { cwd, env }, parts)
  const tree = withoutNewline(await gitOutput(['write-tree'], { cwd, env }, parts))
  return { tree, env }

  async function gitPath(name: string): Promise<string> {
    const path = await gitOutput(['rev-parse', '--git-path', name], { cwd }, parts)
    return resolve(cwd, withoutNewline(path))
  }
}

async function copyIndex(from: string, to: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(from)
    await copyFile(from, to)
    // Git takes a file for unchanged when it is older than the index: the copy may not be younger than the original.
    const second = Math.floor(mtimeMs / 1000)
    await utimes(to, second, second)
  } catch (error) {
    // No index is an empty one.
    if (systemCode(error) !== 'ENOENT') throw error
  }
}

/** A path with a separator in it has to be quoted as git quotes paths. */
function quoted(path: string): string {
  if (!path.includes(delimiter) && !path.startsWith('"')) return path
  return `"${path.replace(/[\\"]/g, '\\$&')}"`
}
