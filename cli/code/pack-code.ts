import type { Code } from '../../proto/model/run-spec.js'
import type { GitParts, Repository } from './repository.js'

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

/** Makes the pack of what a run needs of a repository; the repository, its index and stash stay as they are. */
export async function packCode(
  _repository: Repository,
  _options: PackOptions,
  _parts: GitParts,
): Promise<PackedCode> {
  throw new Error('Not written yet')
}
