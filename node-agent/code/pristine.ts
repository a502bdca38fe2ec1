import { createHash } from 'node:crypto'
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RpcError } from '../../common/errors.js'
import type { Code } from '../../proto/model/run-spec.js'
import { hostGit } from './git.js'
import { readTree, type TreeFile } from './tree-files.js'

export type SyncedCode = Extract<Code, { readonly kind: 'synced' }>

export interface CommitFacts {
  readonly tree: string
  readonly hasParents: boolean
}

/** Trees of more files are read anew each time. */
const mostRemembered = 5000

/** A bare repository made of one pack, of which no run gets more than copies. */
export class Pristine {
  readonly folder: string
  readonly bytes: number
  readonly #commits = new Map<string, CommitFacts>()
  readonly #trees = new Map<string, readonly TreeFile[]>()

  constructor(folder: string, bytes: number) {
    this.folder = folder
    this.bytes = bytes
  }

  /** INVALID_ARGUMENT when the pack does not hold the commit. */
  async commit(hash: string, signal: AbortSignal): Promise<CommitFacts> {
    const known = this.#commits.get(hash)
    if (known) return known
    const text = await this.#ask(['cat-file', 'commit', checkedHash(hash)], `the commit ${hash}`, signal)
    const header = text.toString('latin1').split('\n\n', 1)[0] ?? ''
    const tree = /^tree ([0-9a-f]+)$/m.exec(header)?.[1]
    if (!tree) throw new RpcError('INVALID_ARGUMENT', `The commit ${hash} of the run's code has no tree.`)
    const facts = { tree, hasParents: /^parent /m.test(header) }
    this.#commits.set(hash, facts)
    return facts
  }

  /** Every file of a tree. INVALID_ARGUMENT for a tree that the pack does not hold or that is refused. */
  async files(tree: string, maxBytes: number, signal: AbortSignal): Promise<readonly TreeFile[]> {
    const known = this.#trees.get(tree)
    if (known) return known
    const args = ['ls-tree', '-r', '-l', '-z', '--full-tree', checkedHash(tree)]
    const files = readTree(await this.#ask(args, `the tree ${tree}`, signal), maxBytes)
    if (files.length <= mostRemembered) this.#trees.set(tree, files)
    return files
  }

  async packFiles(): Promise<readonly string[]> {
    return (await readdir(join(this.folder, 'objects/pack'))).filter((name) => /\.(pack|idx)$/.test(name))
  }

  async #ask(args: readonly string[], what: string, signal: AbortSignal): Promise<Buffer> {
    try {
      return await hostGit(args, { gitFolder: this.folder, signal })
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== 'FAILED_PRECONDITION') throw error
      throw new RpcError('INVALID_ARGUMENT', `The pack of the run's code does not hold ${what}.`, {
        cause: error,
      })
    }
  }
}

/** Opens what `makePristine` made. */
export async function openPristine(folder: string): Promise<Pristine> {
  const packs = join(folder, 'objects/pack')
  const sizes = await Promise.all(
    (await readdir(packs)).map(async (name) => (await stat(join(packs, name))).size),
  )
  return new Pristine(
    folder,
    sizes.reduce((sum, size) => sum + size, 0),
  )
}

/**
 * Makes a bare repository in a folder out of a pack's bytes, which must hash to the pack's name (DATA_LOSS). Git checks
 * every object in it.
 */
export async function makePristine(
  folder: string,
  code: SyncedCode,
  pack: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  await writeSkeleton(folder, code.commitHash)
  const input = checked(pack, code.packSha256)
  try {
    await hostGit(['index-pack', '--stdin'], { gitFolder: folder, input: input.bytes, signal })
  } catch (error) {
    input.throwTrouble()
    throw error
  }
}

/** The files that make a folder a git repository; `git init` would bring templates of the machine. */
export async function writeSkeleton(folder: string, commitHash: string): Promise<void> {
  await mkdir(join(folder, 'objects/pack'), { recursive: true })
  await mkdir(join(folder, 'objects/info'))
  await mkdir(join(folder, 'refs/heads'), { recursive: true })
  await mkdir(join(folder, 'refs/tags'))
  await mkdir(join(folder, 'info'))
  const sha256 = commitHash.length === 64
  const format = sha256 ? '\trepositoryformatversion = 1\n' : '\trepositoryformatversion = 0\n'
  const extension = sha256 ? '[extensions]\n\tobjectFormat = sha256\n' : ''
  const core = `[core]\n${format}\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n`
  await writeFile(join(folder, 'config'), core + extension)
  await writeFile(join(folder, 'HEAD'), `${checkedHash(commitHash)}\n`)
}

function checkedHash(hash: string): string {
  if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(hash))
    throw new RpcError('INVALID_ARGUMENT', `${JSON.stringify(hash)} is no hash of git's.`)
  return hash
}

/** Passes the bytes on, and ends with DATA_LOSS when they do not hash right. Keeps what went wrong: git only sees an end. */
function checked(pack: AsyncIterable<Uint8Array>, sha256: string) {
  let trouble: { readonly error: unknown } | undefined
  const hash = createHash('sha256')
  async function* bytes(): AsyncIterable<Uint8Array> {
    try {
      for await (const piece of pack) {
        hash.update(piece)
        yield piece
      }
      const found = hash.digest('hex')
      if (found !== sha256)
        throw new RpcError('DATA_LOSS', `The pack of the run's code hashes to ${found}, not to ${sha256}.`)
    } catch (error) {
      trouble = { error }
      throw error
    }
  }
  return {
    bytes: bytes(),
    throwTrouble() {
      if (trouble) throw trouble.error
    },
  }
}
