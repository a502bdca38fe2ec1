import { basename } from 'node:path'
import { type GitParts, gitOutput } from './git.js'
import { CodeRefused } from './refusal.js'
import type { Repository } from './repository.js'

// What a run cannot be given: submodules, whose files are in another repository, and git-lfs pointers, whose files are
// on another server.

interface TreeEntry {
  readonly mode: string
  readonly hash: string
  /** In bytes; undefined unless asked for. */
  readonly size: number | undefined
  readonly path: string
}

const lfsPointer = 'version https://git-lfs.github.com/spec/v1\n'
/** https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: a pointer is less than 1,024 bytes. */
const lfsMaxBytes = 1024
const mostNamed = 5

/** Throws CodeRefused for a tree with submodules or git-lfs pointers. `env` tells git where the tree's objects are. */
export async function checkTree(
  repository: Repository,
  tree: string,
  env: Readonly<Record<string, string>>,
  parts: GitParts,
): Promise<void> {
  const options = { cwd: repository.root, env }
  const entries = await treeEntries(['ls-tree', '-r', '-z', '--full-tree', tree])
  const submodules = entries.filter((entry) => entry.mode === '160000').map((entry) => entry.path)
  if (submodules.length > 0)
    throw new CodeRefused({
      kind: 'submodules',
      repository: repository.root,
      paths: submodules.slice(0, mostNamed),
    })
  const attributes = entries.filter((entry) => basename(entry.path) === '.gitattributes')
  const texts = await contents(attributes)
  if (!texts.some((text) => text.includes('filter=lfs'))) return
  const sized = await treeEntries(['ls-tree', '-r', '-l', '-z', '--full-tree', tree])
  const small = sized.filter((entry) => entry.mode !== '120000' && (entry.size ?? lfsMaxBytes) < lfsMaxBytes)
  const starts = await contents(small)
  const pointers = small
    .filter((_, index) => starts[index]?.startsWith(lfsPointer))
    .map((entry) => entry.path)
  if (pointers.length > 0)
    throw new CodeRefused({ kind: 'lfs', repository: repository.root, paths: pointers.slice(0, mostNamed) })

  async function treeEntries(args: readonly string[]): Promise<readonly TreeEntry[]> {
    const output = await gitOutput(args, options, parts)
    return output
      .split('\0')
      .filter((line) => line !== '')
      .map(treeEntry)
  }

  /** Texts of small blobs; other bytes than UTF-8 come out as replacement characters. */
  async function contents(blobs: readonly TreeEntry[]): Promise<readonly string[]> {
    if (blobs.length === 0) return []
    const input = blobs.map((blob) => `${blob.hash}\n`).join('')
    const output = Buffer.from(
      await gitOutput(['cat-file', '--batch'], { ...options, input, encoding: 'latin1' }, parts),
      'latin1',
    )
    return batchTexts(output)
  }
}

function treeEntry(line: string): TreeEntry {
  const tab = line.indexOf('\t')
  const [mode = '', , hash = '', size] = line.slice(0, tab).split(/ +/)
  return { mode, hash, size: size === undefined ? undefined : Number(size), path: line.slice(tab + 1) }
}

/** Takes the output of `cat-file --batch` apart: `<hash> <type> <size>` and a newline, the bytes, a newline. */
function batchTexts(output: Buffer): readonly string[] {
  const texts: string[] = []
  for (let at = 0; at < output.length; ) {
    const newline = output.indexOf(10, at)
    const size = Number(output.toString('latin1', at, newline).split(' ')[2])
    if (!Number.isInteger(size)) return texts
    texts.push(output.toString('utf8', newline + 1, newline + 1 + size))
    at = newline + size + 2
  }
  return texts
}
