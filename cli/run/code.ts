import { checkCommit, type PackedCode, packCode } from '../code/pack-code.js'
import { type CodeRefusal, CodeRefused } from '../code/refusal.js'
import { findRepository, type GitParts, type Repository, untrackedFiles } from '../code/repository.js'
import { type ExitWord, Failure, Quit } from '../failure.js'
import { confirm } from '../output/ask.js'
import { printable } from '../output/style.js'
import { note, type World } from '../world.js'

export interface CodeWishes {
  /** Undefined: HEAD. */
  readonly commitRef: string | undefined
  readonly force: boolean
  readonly includeUntracked: boolean
  readonly includeUncommitted: boolean
  /** Told before uncommitted changes are packed. */
  readonly onUncommitted: () => void
}

const shownNames = 20

/** The code of the repository around the working directory, packed; undefined when the run goes without. */
export async function codeFromHere(
  world: World,
  wishes: CodeWishes,
  signal: AbortSignal,
): Promise<PackedCode | undefined> {
  const parts = { env: world.settings.environment, signal }
  try {
    const repository = await repositoryHere(world, wishes, parts)
    if (!repository) return undefined
    const options = {
      commitRef: wishes.commitRef ?? 'HEAD',
      uncommitted: wishes.includeUncommitted ? 'take' : 'refuse',
      untracked: wishes.includeUntracked ? 'take' : 'leave',
      onUncommitted: wishes.onUncommitted,
    } as const
    const untracked = wishes.includeUntracked ? [] : await untrackedFiles(repository, parts)
    if (untracked.length > 0) {
      // Nobody is asked about a run that cannot be.
      await checkCommit(repository, options, parts)
      await warnOfUntracked(world, wishes, repository, untracked)
    }
    const packed = await packCode(repository, options, parts)
    if (packed.changesLeftBehind) {
      note(
        world,
        `Warning: uncommitted changes stay at home, because --commit-ref names another commit than HEAD.`,
      )
    }
    return packed
  } catch (error) {
    if (!(error instanceof CodeRefused)) throw error
    throw new Failure(exitOf(error.refusal), error.message, { cause: error })
  }
}

async function repositoryHere(
  world: World,
  wishes: CodeWishes,
  parts: GitParts,
): Promise<Repository | undefined> {
  try {
    return await findRepository(world.cwd, parts)
  } catch (error) {
    if (!(error instanceof CodeRefused)) throw error
    if (error.refusal.kind !== 'no_repository' && error.refusal.kind !== 'no_git') throw error
    if (wishes.commitRef !== undefined) {
      throw new Failure('workspace', `There is no git repository here for --commit-ref ${wishes.commitRef}.`)
    }
    if (error.refusal.kind === 'no_git') note(world, `Warning: ${error.message}`)
  }
  if (wishes.force) {
    note(world, 'No git repository found! Running without a workspace.')
    return undefined
  }
  const question = 'Could not find a git repository, so no user files will be available. Continue anyway?'
  await orEnd(
    confirm(
      world,
      question,
      'Could not find a git repository, so no user files will be available. Use -f to run without them.',
    ),
  )
  return undefined
}

async function warnOfUntracked(
  world: World,
  wishes: CodeWishes,
  repository: Repository,
  names: readonly string[],
): Promise<void> {
  const more = names.length - shownNames
  const shown = names.slice(0, shownNames).map((name) => `\t${printable(name)}\n`)
  world.stderr.write(
    `There are some untracked files in repo ${repository.root}. They won't be available on this run.\n${shown.join('')}`,
  )
  if (more > 0) world.stderr.write(`\t... and ${more} more\n`)
  if (wishes.force) return
  await orEnd(
    confirm(
      world,
      'Continue the run anyway?',
      'Use -f to run without the untracked files, or --include-untracked to take them along.',
    ),
  )
}

/** Whoever says no has ended the command. */
async function orEnd(answer: Promise<boolean>): Promise<void> {
  if (!(await answer)) throw new Quit(1)
}

function exitOf(refusal: CodeRefusal): ExitWord {
  switch (refusal.kind) {
    case 'no_git':
    case 'no_repository':
    case 'submodules':
    case 'lfs':
      return 'workspace'
    case 'unknown_commit':
      return 'commit'
    case 'no_commits':
    case 'uncommitted_changes':
      return 'repository'
    case 'git_failed':
      return 'error'
  }
}
