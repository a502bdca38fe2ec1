import { basename } from 'node:path'
import { type GitParts, gitOutput, runGit } from './git.js'
import { CodeRefused } from './refusal.js'

export type { GitParts } from './git.js'

export interface Repository {
  /** Absolute path of the working tree's root, links resolved. */
  readonly root: string
  /** Base name of the root. */
  readonly name: string
  /** From the root to where the user stands, `/` between segments; empty for the root itself. */
  readonly workingDirectory: string
}

/** The repository around a directory. Throws CodeRefused: no_git, no_repository, git_failed. */
export async function findRepository(directory: string, parts: GitParts): Promise<Repository> {
  const options = { cwd: directory }
  const found = await runGit(['rev-parse', '--show-toplevel'], options, parts)
  if (found.exitCode !== 0) {
    if (/not a git repository|must be run in a work tree/.test(found.stderr))
      throw new CodeRefused({ kind: 'no_repository' })
    const sentence = found.stderr.replace(/^fatal: /, '').trim()
    throw new CodeRefused({ kind: 'git_failed', sentence: `git cannot use this repository: ${sentence}` })
  }
  const root = withoutNewline(found.stdout)
  const prefix = withoutNewline(await gitOutput(['rev-parse', '--show-prefix'], options, parts))
  return { root, name: basename(root) || 'repository', workingDirectory: prefix.replace(/\/$/, '') }
}

/**
 * Names relative to the root of what git neither tracks nor ignores, a whole untracked directory as one name with a
 * slash at its end; `.DS_Store` never counts. In git's order.
 */
export async function untrackedFiles(repository: Repository, parts: GitParts): Promise<readonly string[]> {
  const args = ['ls-files', '--others', '--exclude-standard', '--exclude=.DS_Store']
  const output = await gitOutput(
    [...args, '--directory', '--no-empty-directory', '-z'],
    { cwd: repository.root },
    parts,
  )
  return output.split('\0').filter((name) => name !== '')
}

/** Of git's answers that are a path: only the newline that git added goes. */
export function withoutNewline(text: string): string {
  return text.endsWith('\n') ? text.slice(0, -1) : text
}
