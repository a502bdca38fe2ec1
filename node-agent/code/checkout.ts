import { constants } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RpcError } from '../../common/errors.js'
import type { TrackedFile } from '../outputs/baseline.js'
import { Folder } from '../outputs/folder.js'
import { hostGit } from './git.js'
import { type Pristine, type SyncedCode, writeSkeleton } from './pristine.js'

export interface CheckoutOptions {
  readonly code: SyncedCode
  /** Empty, and nothing of the run has been started. */
  readonly spellFolder: string
  /** Limit of the files' bytes; 0: none. */
  readonly diskBytes: number
  readonly signal: AbortSignal
}

/**
 * Puts the code's tree into `/spell/<repository>` with a `.git` of its own: HEAD at the real commit, its history cut, and
 * an index from which uncommitted changes show as at home (changed and deleted files as not staged, new ones as added).
 * Git works in the pristine repository with the run's index and files, so that nothing a run could write is ever read as
 * configuration. Returns the tracked files by path from `/spell` on.
 */
export async function checkOut(
  pristine: Pristine,
  { code, spellFolder, diskBytes, signal }: CheckoutOptions,
): Promise<ReadonlyMap<string, TrackedFile>> {
  checkPlace(code)
  const commit = await pristine.commit(code.commitHash, signal)
  const files = await pristine.files(code.treeHash, diskBytes, signal)
  const root = join(spellFolder, code.repositoryName)
  const dotGit = join(root, '.git')
  await mkdir(root)
  await writeSkeleton(dotGit, code.commitHash)
  if (commit.hasParents) await writeFile(join(dotGit, 'shallow'), `${code.commitHash}\n`)
  for (const name of await pristine.packFiles())
    await copyFile(
      join(pristine.folder, 'objects/pack', name),
      join(dotGit, 'objects/pack', name),
      constants.COPYFILE_FICLONE,
    )
  const options = {
    gitFolder: pristine.folder,
    env: { GIT_WORK_TREE: root, GIT_INDEX_FILE: join(dotGit, 'index') },
    signal,
  }
  await hostGit(['read-tree', '-m', '-u', code.treeHash], options)
  if (commit.tree !== code.treeHash) {
    const diff = await hostGit(['diff-tree', '-r', '-z', '--no-renames', commit.tree, code.treeHash], options)
    await hostGit(['update-index', '-z', '--index-info'], { ...options, input: asCommitted(diff) })
  }
  makeWorkingDirectory(root, code.workingDirectory)
  return new Map(
    files.map(({ path, blob, size }) => [`${code.repositoryName}/${path}`, { blob, size }] as const),
  )
}

/**
 * From `diff-tree -r -z` (`:<mode> <mode> <hash> <hash> <letter>`, NUL, path, NUL) what `update-index --index-info` takes
 * (`<mode> <hash>`, tab, path) to set what was changed or deleted back to the commit's.
 */
function asCommitted(diff: Buffer): Buffer {
  const fields: Buffer[] = []
  for (let at = 0; at < diff.length; ) {
    const end = diff.indexOf(0, at)
    fields.push(diff.subarray(at, end))
    at = end + 1
  }
  const lines: Buffer[] = []
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const [mode = '', , hash = '', , letter] = (fields[index] ?? '').toString('latin1').slice(1).split(' ')
    if (letter === 'A') continue
    lines.push(Buffer.from(`${mode} ${hash}\t`), fields[index + 1] ?? Buffer.alloc(0), Buffer.from([0]))
  }
  return Buffer.concat(lines)
}

function checkPlace({ repositoryName, workingDirectory }: SyncedCode): void {
  const segments = workingDirectory === '' ? [] : workingDirectory.split('/')
  for (const segment of [repositoryName, ...segments]) {
    const wrong = segment === '' || segment === '.' || segment === '..' || /[/\0]/.test(segment)
    if (wrong || Buffer.byteLength(segment) > 255)
      throw new RpcError(
        'INVALID_ARGUMENT',
        `${JSON.stringify(`${repositoryName}/${workingDirectory}`)} is no place for code below /spell.`,
      )
  }
}

/** Git keeps no empty folders, and the user stands in one perhaps. A link in the way is left to the run. */
function makeWorkingDirectory(root: string, workingDirectory: string): void {
  if (workingDirectory === '') return
  let folder: Folder | undefined = Folder.open(root)
  try {
    for (const name of workingDirectory.split('/')) {
      folder.make(name)
      const facts = folder.facts(name)
      if (facts?.isSymbolicLink()) return
      const next: Folder | undefined = folder.folder(name)
      if (!next)
        throw new RpcError(
          'FAILED_PRECONDITION',
          `The working directory ${workingDirectory} is not a directory in this commit.`,
        )
      folder.close()
      folder = next
    }
  } finally {
    folder?.close()
  }
}
