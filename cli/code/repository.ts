export interface Repository {
  /** Absolute path of the working tree's root, links resolved. */
  readonly root: string
  /** Base name of the root. */
  readonly name: string
  /** From the root to where the user stands, `/` between segments; empty for the root itself. */
  readonly workingDirectory: string
}

export interface GitParts {
  /** The user's environment; GIT_* variables in it are not handed on. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** The repository around a directory. Throws CodeRefused: no_git, no_repository. */
export async function findRepository(_directory: string, _parts: GitParts): Promise<Repository> {
  throw new Error('Not written yet')
}

/**
 * Names relative to the root of what git neither tracks nor ignores, a whole untracked directory as one name with a
 * slash at its end; `.DS_Store` never counts. In git's order.
 */
export async function untrackedFiles(_repository: Repository, _parts: GitParts): Promise<readonly string[]> {
  throw new Error('Not written yet')
}
