import { access, lstat, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { execa } from 'execa'
import { RpcError } from '../../../common/errors.js'
import { placeCode } from '../../../node-agent/code/place-code.js'
import { scanOutputs } from '../../../node-agent/outputs/outputs.js'
import { sha256Hex } from '../../../spellfs/manifest.js'
import { packed } from '../../fixtures/packed.js'
import { cacheFor, fails, gib, never, place, refused } from '../../fixtures/placed.js'
import { makeRepository } from '../../fixtures/repository.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

test('git answers in the run as at home: log, HEAD, status with uncommitted changes', async (t) => {
  const home = await makeRepository(t, 'ünicode repo')
  await home.sh(`mkdir d; echo 1 > edited; echo 2 > deleted; echo 3 > d/script; ln -s edited link; git add -A; git commit -qm first
    echo x >> edited; git commit -qam 'second commit'; echo y >> edited; rm deleted; chmod +x d/script; echo n > new; git add new`)
  const { run } = await place(t, home)
  for (const line of [
    'git rev-parse HEAD',
    'git log -n 1 --format=%H%s%an',
    'git status --porcelain',
    'git diff',
    'git diff --cached',
  ])
    t.is(await run.sh(line), await home.sh(line), line)
  t.is(await run.sh('git rev-list --count HEAD'), '1')
  t.is(await run.sh('git fsck --no-dangling 2>&1'), '')
  await run.sh('git commit -qam more; git checkout -q -b other')
})

test('a first commit, a repository of sha-256 and an empty tree are placed', async (t) => {
  const first = await makeRepository(t)
  await first.sh('echo a > a; git add a; git commit -qm first')
  t.is(await (await place(t, first)).run.sh('git log --format=%s; git status --porcelain'), 'first')
  const sha256 = await makeRepository(t)
  await sha256.sh(
    'rm -rf .git; git init -q --object-format=sha256; echo a > a; git add a; git commit -qm long; echo b >> a',
  )
  t.is(await (await place(t, sha256)).run.sh('git log --format=%s; git status --porcelain'), 'long\n M a')
  const empty = await makeRepository(t)
  await empty.sh('git commit -q --allow-empty -m nothing')
  t.is(await (await place(t, empty)).run.sh('git log --format=%s'), 'nothing')
})

test('line ends and encodings that attributes ask for are as at home, and are no outputs when touched', async (t) => {
  const home = await makeRepository(t)
  await home.sh(`printf '*.txt text eol=crlf\\n*.id ident\\n*.bin filter=evil\\n' > .gitattributes; printf 'a\\nb\\n' > a.txt
    echo '$Id$' > x.id; echo raw > y.bin; git add -A; git commit -qm first`)
  const { run, options } = await place(t, home)
  t.is(await readFile(join(run.root, 'a.txt'), 'latin1'), 'a\r\nb\r\n')
  t.is(await readFile(join(run.root, 'y.bin'), 'latin1'), 'raw\n')
  t.deepEqual(
    (await scanOutputs({ ...options, repositoryName: 'project', holesLimitBytes: gib }, never())).outputs,
    [],
  )
})

test('the working directory is there even when git does not keep it, and a file or link in its way is not followed', async (t) => {
  const home = await makeRepository(t)
  const outside = await temporaryFolder(t)
  await home.sh(`mkdir -p kept; echo a > kept/file; ln -s ${outside} link; git add -A; git commit -qm first`)
  const placed = await place(t, home, { workingDirectory: 'kept/new/deep' })
  t.is(placed.workingDirectory, 'project/kept/new/deep')
  t.true((await stat(join(placed.run.root, 'kept/new/deep'))).isDirectory())
  await place(t, home, { workingDirectory: 'link/made' })
  t.deepEqual(await readdir(outside), [])
  await refused(t, place(t, home, { workingDirectory: 'kept/file' }), 'FAILED_PRECONDITION')
})

const badPlace = test.macro<
  [{ repositoryName?: string; workingDirectory?: string; treeHash?: string; commitHash?: string }]
>({
  async exec(t, changes) {
    const home = await makeRepository(t)
    await home.sh('echo a > a; git add -A; git commit -qm first')
    await refused(t, place(t, home, changes), 'INVALID_ARGUMENT')
  },
  title: (_, changes) => `refuses ${JSON.stringify(changes)}`,
})
test(badPlace, { repositoryName: '..' })
test(badPlace, { repositoryName: 'a/b' })
test(badPlace, { repositoryName: '' })
test(badPlace, { workingDirectory: '../..' })
test(badPlace, { workingDirectory: 'a/../../..' })
test(badPlace, { workingDirectory: '/etc' })
test(badPlace, { treeHash: 'f'.repeat(40) })
test(badPlace, { commitHash: 'f'.repeat(40) })
test(badPlace, { treeHash: '--output=/x' })

test('a real pack with a hostile tree is refused, and nothing leaves the folder', async (t) => {
  const home = await makeRepository(t)
  await home.sh('echo a > a; git add -A; git commit -qm first')
  const blob = await home.sh('echo evil | git hash-object -w --stdin')
  const inner = await home.sh(`printf '100644 blob ${blob}\\tevil\\n' | git mktree`)
  // git mktree refuses no names.
  for (const path of ['..', '.git', '.GIT']) {
    const tree = await home.sh(`printf '040000 tree ${inner}\\t${path}\\n' | git mktree`)
    const commit = await home.sh(`git commit-tree -m evil ${tree}`)
    await home.sh(`printf '${commit}\\n' | git pack-objects --revs --stdout -q > ../evil.pack`)
    const file = join(home.root, '../evil.pack')
    const packSha256 = sha256Hex(await readFile(file))
    const changes = { commitHash: commit, treeHash: tree, packSha256 }
    await refused(
      t,
      place(t, home, changes, {
        fetch: async function* () {
          yield await readFile(file)
        },
      }),
      'INVALID_ARGUMENT',
    )
  }
})

test('a pack that is cut, damaged or not a pack fails clearly, and a good one works afterwards', async (t) => {
  const home = await makeRepository(t)
  await home.sh('seq 100000 > a; git add -A; git commit -qm first')
  const pack = await packed(t, home)
  const bytes = await readFile(pack.packFile)
  const cache = await cacheFor(t)
  const damaged = Buffer.from(bytes)
  damaged[bytes.length >> 1] = (damaged[bytes.length >> 1] ?? 0) ^ 1
  for (const wrong of [
    bytes.subarray(0, 1000),
    damaged,
    Buffer.from('<html>'),
    Buffer.alloc(0),
    Buffer.concat([bytes, bytes]),
  ])
    await refused(
      t,
      place(
        t,
        home,
        {},
        {
          cache,
          fetch: async function* () {
            yield wrong
          },
        },
      ),
      'DATA_LOSS',
    )
  const broken = async function* () {
    yield bytes.subarray(0, 1000)
    throw new RpcError('UNAVAILABLE', 'The leader has gone.')
  }
  await refused(t, place(t, home, {}, { cache, fetch: broken }), 'UNAVAILABLE')
  const lies = { packSha256: sha256Hex(Buffer.from('<html>')) }
  await refused(
    t,
    place(t, home, lies, {
      cache,
      fetch: async function* () {
        yield Buffer.from('<html>')
      },
    }),
    'FAILED_PRECONDITION',
  )
  await place(t, home, {}, { cache })
})

test('more bytes than the run may write are refused', async (t) => {
  const home = await makeRepository(t)
  await home.sh('seq 100000 > a; git add -A; git commit -qm first')
  await refused(t, place(t, home, {}, { diskBytes: 1000 }), 'RESOURCE_EXHAUSTED')
})

test('everything belongs to the owner, links included', async (t) => {
  if (process.getuid?.() !== 0) return t.pass('only root gives files away')
  const home = await makeRepository(t)
  await home.sh('mkdir d; echo a > d/a; ln -s /etc/passwd link; git add -A; git commit -qm first')
  const { run, spellFolder } = await place(
    t,
    home,
    { workingDirectory: 'd/empty' },
    { owner: { uid: 12345, gid: 54321 } },
  )
  const { stdout } = await execa('find', [
    spellFolder,
    '-not',
    '-uid',
    '12345',
    '-o',
    '-not',
    '-gid',
    '54321',
  ])
  t.is(stdout, '')
  t.true((await lstat(join(run.root, 'link'))).isSymbolicLink())
  t.is((await stat('/etc/passwd')).uid, 0)
})

test('without code there is an empty folder of the owner, and what an earlier try left is gone', async (t) => {
  const folder = await temporaryFolder(t)
  const options = {
    code: { kind: 'none' },
    spellFolder: join(folder, 'spell'),
    baselineFile: join(folder, 'baseline'),
    owner: undefined,
    fetch: fails,
    diskBytes: 0,
  } as const
  await mkdir(options.spellFolder)
  await symlink('/etc', join(options.spellFolder, 'left'))
  t.is(await placeCode(options, await cacheFor(t), never()), '')
  t.deepEqual(await readdir(options.spellFolder), [])
  await access('/etc/passwd')
  await writeFile(join(options.spellFolder, 'out'), 'x')
  t.is((await scanOutputs({ ...options, repositoryName: undefined, holesLimitBytes: gib }, never())).count, 1)
})

test('a run that rewrites its own .git changes nothing for the next', async (t) => {
  const home = await makeRepository(t)
  await home.sh('echo a > a; git add -A; git commit -qm first')
  const cache = await cacheFor(t)
  const { run } = await place(t, home, {}, { cache })
  await run.sh('chmod -R u+w .git; for f in $(find .git -type f); do echo garbage > $f; done')
  const next = await place(t, home, {}, { cache })
  t.is(await next.run.sh('git fsck --no-dangling 2>&1; git status --porcelain'), '')
})
