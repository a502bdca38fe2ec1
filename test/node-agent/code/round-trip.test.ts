import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import { scanOutputs } from '../../../node-agent/outputs/outputs.js'
import { gib, never, place } from '../../fixtures/placed.js'
import { makeRepository, type TestRepository } from '../../fixtures/repository.js'

const name = fc.oneof(
  fc.constantFrom(
    'a',
    'b',
    'A',
    'ü',
    ' x',
    '-o',
    'a\nb',
    '"q"',
    'a.b',
    '😀',
    '.hidden',
    '$(x)',
    'x:y',
    '.gitignore',
    'nul\\',
  ),
)
const content = fc.oneof(
  fc.record({
    kind: fc.constant('file' as const),
    bytes: fc.uint8Array({ maxLength: 40 }),
    executable: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('link' as const),
    target: fc.constantFrom('a', '../..', '/etc/passwd', 'nowhere/ü'),
  }),
)
const tree = fc.dictionary(
  fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/')),
  content,
  { maxKeys: 6 },
)

test('random trees with random uncommitted changes arrive as they were, and nothing of them is an output', async (t) => {
  await fc.assert(
    fc.asyncProperty(tree, tree, async (committed, changed) => {
      const home = await makeRepository(t)
      await writeTree(home, committed)
      await home.sh(
        'git add -A -f; git commit -q --allow-empty -m first; git ls-files -z | xargs -0 -r rm -f --',
      )
      await writeTree(home, changed)
      await home.sh('git add -A -f')
      const { run, options } = await place(t, home)
      t.deepEqual(await readTreeOf(run.root), await readTreeOf(home.root))
      t.is(
        await run.sh('git rev-parse HEAD; git add -A -f; git write-tree'),
        await home.sh('git rev-parse HEAD; git write-tree'),
      )
      const list = await scanOutputs({ ...options, repositoryName: 'project', holesLimitBytes: gib }, never())
      t.deepEqual(list.outputs, [])
    }),
    { numRuns: 12 },
  )
})

type Tree = Readonly<
  Record<string, { kind: 'file'; bytes: Uint8Array; executable: boolean } | { kind: 'link'; target: string }>
>

/** Writes what fits: a name whose folder is a file is left out. */
async function writeTree(repository: TestRepository, entries: Tree): Promise<void> {
  for (const [path, entry] of Object.entries(entries)) {
    const whole = join(repository.root, path)
    try {
      await mkdir(join(whole, '..'), { recursive: true })
      if (entry.kind === 'link') await symlink(entry.target, whole)
      else {
        await writeFile(whole, entry.bytes, { flag: 'wx' })
        await chmod(whole, entry.executable ? 0o755 : 0o644)
      }
    } catch {}
  }
}

async function readTreeOf(root: string, below = ''): Promise<Record<string, string>> {
  let found: Record<string, string> = {}
  for (const name of (await readdir(join(root, below))).sort()) {
    const path = join(below, name)
    const facts = await lstat(join(root, path))
    if (path === '.git') continue
    if (facts.isDirectory()) found = { ...found, ...(await readTreeOf(root, path)) }
    else if (facts.isSymbolicLink()) found[path] = `-> ${await readlink(join(root, path))}`
    else found[path] = `${facts.mode & 0o100} ${await readFile(join(root, path), 'base64')}`
  }
  return found
}
