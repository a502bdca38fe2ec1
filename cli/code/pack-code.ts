import { createHash } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Code } from '../../proto/model/run-spec.js'
import { printable } from '../output/style.js'
import { gitOutput, runGit, streamGit } from './git.js'
import { CodeRefused } from './refusal.js'
import { type GitParts, type Repository, withoutNewline } from './repository.js'
import { shadowTree } from './shadow-tree.js'
import { checkTree } from './supported-tree.js'

export interface PackOptions {
  /** `HEAD` when the user named none. */
  readonly commitRef: string
  /** 'take' them along (only when commitRef is HEAD), or 'refuse' with uncommitted_changes. */
  readonly uncommitted: 'take' | 'refuse'
  readonly untracked: 'take' | 'leave'
  /** Called before a tree is made of uncommitted changes. */
  readonly onUncommitted: () => void
}

export interface PackedCode {
  readonly code: Extract<Code, { readonly kind: 'synced' }>
  /** The pack; its name in the store is `code/<code.packSha256>`. */
  readonly packFile: string
  readonly packBytes: number
  /** Changes that stayed at home because the commit is not HEAD. */
  readonly changesLeftBehind: boolean
  /** Removes the pack. Safe to call twice. */
  dispose(): Promise<void>
}

/**
 * Makes the pack of what a run needs of a repository: the commit without its history, its tree, and with uncommitted
 * changes a second tree. The repository, its objects, index and stash stay as they are. The same state of a repository
 * gives the same pack. Throws CodeRefused.
 */
export async function packCode(
  repository: Repository,
  options: PackOptions,
  parts: GitParts,
): Promise<PackedCode> {
  const folder = await mkdtemp(join(tmpdir(), 'spell-code-'))
  const dispose = () => rm(folder, { recursive: true, force: true })
  try {
    return { ...(await makePack(repository, options, folder, parts)), dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Throws the CodeRefused that `packCode` would about the commit, for those who have to ask something before they pack. */
export async function checkCommit(
  repository: Repository,
  options: Pick<PackOptions, 'commitRef' | 'uncommitted'>,
  parts: GitParts,
): Promise<void> {
  const { isHead } = await resolve(repository, options.commitRef, parts)
  if (isHead && options.uncommitted === 'refuse' && (await hasChanges(repository, parts)))
    throw uncommittedChanges(repository)
}

async function makePack(
  repository: Repository,
  options: PackOptions,
  folder: string,
  parts: GitParts,
): Promise<Omit<PackedCode, 'dispose'>> {
  const { commit, isHead } = await resolve(repository, options.commitRef, parts)
  const cwd = repository.root
  const [facts, changed] = await Promise.all([
    gitOutput(['log', '-1', '--format=%T%n%s', '--encoding=UTF-8', commit, '--'], { cwd }, parts),
    hasChanges(repository, parts),
  ])
  const [commitTree = '', subject = ''] = facts.split('\n')
  await checkTree(repository, commitTree, {}, parts)
  if (changed && isHead && options.uncommitted === 'refuse') throw uncommittedChanges(repository)
  let tree = commitTree
  let env: Readonly<Record<string, string>> = {}
  if (isHead && (changed || options.untracked === 'take')) {
    if (changed) options.onUncommitted()
    const shadow = await shadowTree(repository, options.untracked, folder, parts)
    if (shadow.tree !== commitTree) {
      await checkTree(repository, shadow.tree, shadow.env, parts)
      tree = shadow.tree
      env = shadow.env
    }
  }
  const packFile = join(folder, 'code.pack')
  const { packSha256, packBytes } = await writePack(repository, [commit, tree], env, packFile, parts)
  const code = {
    kind: 'synced',
    repositoryName: repository.name,
    workingDirectory: repository.workingDirectory,
    commitHash: commit,
    treeHash: tree,
    packSha256,
    commitSubject: describing(subject),
  } as const
  return { code, packFile, packBytes, changesLeftBehind: changed && !isHead }
}

async function resolve(
  repository: Repository,
  ref: string,
  parts: GitParts,
): Promise<{ commit: string; isHead: boolean }> {
  const [wanted, head] = await Promise.all([commitOf(ref), commitOf('HEAD')])
  if (wanted === undefined && head === undefined)
    throw new CodeRefused({ kind: 'no_commits', repository: repository.root })
  if (wanted === undefined)
    throw new CodeRefused({ kind: 'unknown_commit', repository: repository.root, ref })
  return { commit: wanted, isHead: wanted === head }

  async function commitOf(name: string): Promise<string | undefined> {
    const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${name}^{commit}`]
    const found = await runGit(args, { cwd: repository.root }, parts)
    return found.exitCode === 0 ? withoutNewline(found.stdout) : undefined
  }
}

/** What the description of a run may have, in bytes of UTF-8. */
const longestSubjectBytes = 4_096

/** A subject as a run may be described with: git takes any, a run's description neither controls nor very long ones. */
function describing(subject: string): string {
  const text = printable(subject)
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(longestSubjectBytes))
  return text.slice(0, read)
}

function uncommittedChanges(repository: Repository): CodeRefused {
  return new CodeRefused({ kind: 'uncommitted_changes', repository: repository.root })
}

/** Whether a tracked file is not as HEAD has it, in the index or in the working tree. */
async function hasChanges(repository: Repository, parts: GitParts): Promise<boolean> {
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--untracked-files=no',
    '--no-renames',
    '--ignore-submodules=none',
  ]
  return (await gitOutput(args, { cwd: repository.root }, parts)) !== ''
}

/**
 * Packs a commit, cut from its parents, and trees with all that is in them. Without a search for new deltas the bytes
 * depend on nothing but the objects and how they lie in the repository.
 */
async function writePack(
  repository: Repository,
  [commit, tree]: readonly [string, string],
  env: Readonly<Record<string, string>>,
  packFile: string,
  parts: GitParts,
): Promise<{ packSha256: string; packBytes: number }> {
  const args = ['pack-objects', '--revs', '--stdout', '--window=0', '--delta-base-offset', '-q']
  const input = `--shallow ${commit}\n${commit}\n${tree}\n`
  const hash = createHash('sha256')
  const file = await open(packFile, 'wx', 0o600)
  let packBytes = 0
  try {
    const options = { cwd: repository.root, env, input }
    await streamGit(
      args,
      options,
      async (stdout) => {
        for await (const piece of stdout as AsyncIterable<Buffer>) {
          hash.update(piece)
          await file.writeFile(piece)
          packBytes += piece.length
        }
      },
      parts,
    )
  } finally {
    await file.close()
  }
  return { packSha256: hash.digest('hex'), packBytes }
}
