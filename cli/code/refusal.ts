/** Why code cannot go along. `repository` is the path of the repository's root. */
export type CodeRefusal =
  | { readonly kind: 'no_git' }
  | { readonly kind: 'no_repository' }
  | { readonly kind: 'no_commits'; readonly repository: string }
  | { readonly kind: 'unknown_commit'; readonly repository: string; readonly ref: string }
  | { readonly kind: 'uncommitted_changes'; readonly repository: string }
  /** Paths of the first few. */
  | { readonly kind: 'submodules'; readonly repository: string; readonly paths: readonly string[] }
  | { readonly kind: 'lfs'; readonly repository: string; readonly paths: readonly string[] }
  /** Anything else that git said. */
  | { readonly kind: 'git_failed'; readonly sentence: string }

/** The refusal as a sentence for a person. */
export function refusalSentence(refusal: CodeRefusal): string {
  switch (refusal.kind) {
    case 'no_git':
      return 'git is not installed, and a run takes its code from a git repository.'
    case 'no_repository':
      return 'Could not find a git repository.'
    case 'no_commits':
      return `The repository ${refusal.repository} has no commits! Please commit all files necessary to use this project before continuing.`
    case 'unknown_commit':
      return `Could not resolve commit "${refusal.ref}" for repo ${refusal.repository}`
    case 'uncommitted_changes':
      return `Uncommitted changes to tracked files detected in repo ${refusal.repository} -- please commit first`
    case 'submodules':
      return `The repository ${refusal.repository} has submodules (${refusal.paths.join(', ')}), which are not supported. Commit their files into the repository itself.`
    case 'lfs':
      return `The repository ${refusal.repository} keeps files in git-lfs (${refusal.paths.join(', ')}), which is not supported. Use "spell upload" for large files.`
    case 'git_failed':
      return refusal.sentence
  }
}

/** Thrown by everything in cli/code; an expected end, to be told with the exit code that its kind has. */
export class CodeRefused extends Error {
  readonly refusal: CodeRefusal

  constructor(refusal: CodeRefusal, cause?: unknown) {
    super(refusalSentence(refusal), cause === undefined ? {} : { cause })
    this.name = 'CodeRefused'
    this.refusal = refusal
  }
}
