import { access, readFile, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { packCode } from '../../../cli/code/pack-code.js'
import { CodeRefused } from '../../../cli/code/refusal.js'
import { findRepository, untrackedFiles } from '../../../cli/code/repository.js'
import { sha256Hex } from '../../../spellfs/manifest.js'
import {
  fingerprint,
  makeRepository,
  openRepository,
  type TestRepository,
} from '../../fixtures/repository.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

const asUsual = {
  commitRef: 'HEAD',
  uncommitted: 'take',
  untracked: 'leave',
  onUncommitted: () => {},
} as const

const found = test.macro<[string, string]>({
  async exec(t, name, inside) {
    const repository = await makeRepository(t, name)
    await repository.sh(`mkdir -p -- '${inside || '.'}'`)
    const { root, env } = repository
    const found = await findRepository(join(root, inside), { env, signal: new AbortController().signal })
    t.deepEqual(found, { root, name, workingDirectory: inside })
  },
  title: (_, name, inside) => `finds ${JSON.stringify(name)} from ${JSON.stringify(inside)}`,
})
test(found, 'project', '')
test(found, 'project', 'src/deep')
test(found, 'with blanks  and ünicode 😀', 'a b/ç')
test(found, '-dash', '-x')

test('finds a worktree under its own name, and a nested repository instead of the outer one', async (t) => {
  const repository = await repositoryWith(t, 'echo a > a')
  await repository.sh('git worktree add -q ../other-tree; mkdir nested; git init -q nested')
  const other = await find(repository, '../other-tree')
  t.is(other.name, 'other-tree')
  t.is((await find(repository, 'nested')).name, 'nested')
  const packed = await packCode(other, asUsual, parts(repository))
  t.is(packed.code.commitHash, await repository.sh('git rev-parse HEAD'))
  await packed.dispose()
})

test('finds through a link to where the repository really is', async (t) => {
  const repository = await makeRepository(t)
  await repository.sh('mkdir sub; ln -s "$PWD/sub" ../link')
  const through = await find(repository, '../link')
  t.is(through.root, await realpath(repository.root))
  t.is(through.workingDirectory, 'sub')
})

test('there is no repository outside, in a bare one, and inside .git', async (t) => {
  const repository = await makeRepository(t)
  await repository.sh('git init -q --bare ../bare.git')
  for (const place of ['..', '../bare.git', '.git'])
    t.is((await refusal(t, find(repository, place))).kind, 'no_repository')
})

test('without git there is a refusal that says so', async (t) => {
  const { root } = await makeRepository(t)
  const empty = { PATH: await temporaryFolder(t), HOME: root }
  t.is(
    (await refusal(t, findRepository(root, { env: empty, signal: new AbortController().signal }))).kind,
    'no_git',
  )
})

test('GIT_DIR and GIT_INDEX_FILE of a surrounding hook lead nowhere', async (t) => {
  const repository = await repositoryWith(t, 'echo a > a')
  const outer = await makeRepository(t, 'outer')
  const env = {
    ...repository.env,
    GIT_DIR: join(outer.root, '.git'),
    GIT_INDEX_FILE: '/nonexistent',
    GIT_WORK_TREE: outer.root,
  }
  t.is((await findRepository(repository.root, { env, signal: new AbortController().signal })).name, 'project')
})

test('untracked files are named, a directory as one, never .DS_Store, nothing that is ignored', async (t) => {
  const repository = await repositoryWith(t, 'echo a > a; echo "*.log" > .gitignore')
  await repository.sh(`mkdir -p data/deep mac logs 'with blank'; touch data/deep/x data/y .DS_Store mac/.DS_Store x.log logs/y.log
    touch 'with blank/f' $'new\\nline' ü; git init -q inner; touch inner/f; echo b >> a`)
  t.deepEqual([...(await untrackedFiles(await find(repository), parts(repository)))].sort(), [
    'data/',
    'inner/',
    'new\nline',
    'with blank/',
    'ü',
  ])
})

test('a clean repository is packed as its commit and tree, without history, the same each time', async (t) => {
  const repository = await repositoryWith(t, 'mkdir d; echo one > a; echo two > d/b')
  await repository.sh('echo old >> a; git commit -qam "second: subject ü"')
  const before = await fingerprint(repository)
  const packed = await pack(t, repository)
  t.is(await fingerprint(repository), before)
  t.deepEqual(packed.code, {
    kind: 'synced',
    repositoryName: 'project',
    workingDirectory: '',
    commitHash: await repository.sh('git rev-parse HEAD'),
    treeHash: await repository.sh('git rev-parse HEAD^{tree}'),
    packSha256: sha256Hex(await readFile(packed.packFile)),
    commitSubject: 'second: subject ü',
  })
  t.deepEqual(await objectsOf(t, packed.packFile), { commits: 1, trees: 2, blobs: 2 })
  t.is((await pack(t, repository)).code.packSha256, packed.code.packSha256)
  t.false(packed.changesLeftBehind)
})

const subject = test.macro<[string, string, string]>({
  async exec(t, _, message, expected) {
    const repository = await makeRepository(t)
    await repository.sh(`printf '${message}' | git commit -q --allow-empty -F -`)
    t.is((await pack(t, repository)).code.commitSubject, expected)
  },
  title: (_, what) => `the subject of a commit can be a description: ${what}`,
})
test(subject, 'a tab is a blank, other controls are seen', 'a\\tb \\033[31mred', 'a b ?[31mred')
test(subject, 'at most 4,096 bytes, in whole characters', `a${'ü'.repeat(3_000)}`, `a${'ü'.repeat(2_047)}`)

test('disposing twice is fine, and leaves no folder', async (t) => {
  const packed = await pack(t, await repositoryWith(t, 'echo a > a'))
  await packed.dispose()
  await packed.dispose()
  await t.throwsAsync(access(dirname(packed.packFile)))
})

test('uncommitted changes go along in a tree of their own; repository, index and stash stay byte for byte', async (t) => {
  const repository = await repositoryWith(
    t,
    'mkdir d; echo 1 > edited; echo 2 > deleted; echo 3 > staged; echo 4 > moved; echo 5 > script; ln -s a link; printf "\\0\\1" > binary',
  )
  await repository.sh(`echo s >> edited; git stash -q
    echo more >> edited; rm deleted; echo s2 >> staged; git add staged; echo w >> staged; git mv moved d/renamed
    chmod +x script; ln -sf elsewhere link; printf "\\0\\2\\377" > binary; echo n > new; git add new; echo untracked > untracked`)
  const before = await fingerprint(repository)
  const status = await repository.sh('git -c core.fsmonitor=false --no-optional-locks status --porcelain')
  let told = 0
  const packed = await pack(t, repository, { ...asUsual, onUncommitted: () => (told += 1) })
  t.is(told, 1)
  t.is(await fingerprint(repository), before)
  t.is(await repository.sh('git --no-optional-locks status --porcelain'), status)
  await repository.sh('git add -u')
  t.is(packed.code.treeHash, await repository.sh('git write-tree'))
  t.not(packed.code.treeHash, await repository.sh('git rev-parse HEAD^{tree}'))
  t.is((await objectsOf(t, packed.packFile)).commits, 1)
})

test('the same uncommitted changes give the same pack', async (t) => {
  const repository = await repositoryWith(
    t,
    'seq 10000 > a; git add a; git commit -qm x; seq 10001 > a; git commit -qam y; git gc -q; echo b >> a',
  )
  const first = await pack(t, repository)
  const second = await pack(t, repository)
  t.is(first.code.packSha256, second.code.packSha256)
})

test('untracked files go along when asked for, but for .DS_Store and what is ignored', async (t) => {
  const repository = await repositoryWith(t, 'echo a > a; echo "*.log" > .gitignore')
  await repository.sh('mkdir new; echo x > new/x; touch new/.DS_Store y.log')
  const before = await fingerprint(repository)
  const packed = await pack(t, repository, { ...asUsual, untracked: 'take' })
  t.is(await fingerprint(repository), before)
  await repository.sh('git add new/x')
  t.is(packed.code.treeHash, await repository.sh('git write-tree'))
})

test('another commit than HEAD is taken as it is, and changes stay at home', async (t) => {
  const repository = await repositoryWith(t, 'echo 1 > a')
  await repository.sh(
    'echo 2 > a; git commit -qam two; git tag v2; echo 3 > a; git commit -qam three; echo 4 > a',
  )
  const packed = await pack(t, repository, { ...asUsual, commitRef: 'v2' })
  t.is(packed.code.commitHash, await repository.sh('git rev-parse v2'))
  t.is(packed.code.treeHash, await repository.sh('git rev-parse v2^{tree}'))
  t.is(packed.code.commitSubject, 'two')
  t.true(packed.changesLeftBehind)
  const head = await pack(t, repository, { ...asUsual, commitRef: 'main' })
  t.false(head.changesLeftBehind)
  t.not(head.code.treeHash, await repository.sh('git rev-parse HEAD^{tree}'))
})

test('a detached HEAD, a merge in conflict, a shallow clone and a repository with alternates work', async (t) => {
  const repository = await repositoryWith(t, 'echo 1 > a')
  await repository.sh(
    'git checkout -q -b side; echo side > a; git commit -qam side; git checkout -q main; echo main > a; git commit -qam main',
  )
  await repository.sh('git checkout -q --detach')
  await pack(t, repository)
  await repository.sh('git merge -q side || true')
  t.is((await pack(t, repository)).code.commitHash, await repository.sh('git rev-parse HEAD'))
  await repository.sh('git clone -q --depth 1 "file://$PWD" ../shallow; git clone -q --shared . "../sha:red"')
  for (const name of ['shallow', 'sha:red']) {
    const clone = openRepository(join(repository.root, '..', name), repository.root)
    await clone.sh('echo changed > a')
    const before = await fingerprint(clone)
    await pack(t, clone)
    t.is(await fingerprint(clone), before)
  }
})

test('settings and hooks of the user do not get in the way', async (t) => {
  const repository = await repositoryWith(t, 'echo 1 > a')
  await repository.sh(`git config core.splitIndex true; git config core.untrackedCache true; git config status.showUntrackedFiles all
    git config color.ui always; git config core.safecrlf true; git config core.autocrlf input; git config pack.packSizeLimit 1m
    git config core.hooksPath "$PWD/.hooks"; git config alias.status "!false"; git config log.showSignature true
    mkdir .hooks; printf '#!/bin/sh\\ntouch "%s/ran"\\n' "$PWD" > .hooks/post-index-change; chmod +x .hooks/*; printf 'x\\r\\n' > a`)
  const before = await fingerprint(repository)
  await pack(t, repository)
  t.is(await fingerprint(repository), before)
  await t.throwsAsync(access(join(repository.root, 'ran')))
})

const refuses = test.macro<
  [string, Partial<typeof asUsual> | { commitRef: string } | { uncommitted: 'refuse' }, object]
>({
  async exec(t, line, options, expected) {
    const repository = await makeRepository(t)
    await repository.sh(line)
    const before = await fingerprint(repository)
    const refused = await refusal(t, pack(t, repository, { ...asUsual, ...options }))
    t.deepEqual(refused, { repository: repository.root, ...expected } as typeof refused)
    t.is(await fingerprint(repository), before)
  },
  title: (name) => `refuses ${name}`,
})
const commit = 'git add -A; git commit -qm first'
test('a repository without commits', refuses, 'echo a > a', {}, { kind: 'no_commits' })
test(
  'a commit that is not there',
  refuses,
  `echo a > a; ${commit}`,
  { commitRef: 'v9' },
  { kind: 'unknown_commit', ref: 'v9' },
)
test(
  'a commit that looks like an option',
  refuses,
  `echo a > a; ${commit}`,
  { commitRef: '--all' },
  { kind: 'unknown_commit', ref: '--all' },
)
test(
  'uncommitted changes where they are not wanted',
  refuses,
  `echo a > a; ${commit}; echo b > a`,
  { uncommitted: 'refuse' },
  { kind: 'uncommitted_changes' },
)
test(
  'submodules',
  refuses,
  `echo a > a; git init -q sub; git -C sub commit -q --allow-empty -m x; git add sub 2>/dev/null; ${commit}`,
  {},
  { kind: 'submodules', paths: ['sub'] },
)
test(
  'pointers of git-lfs',
  refuses,
  `mkdir d; echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes
   printf 'version https://git-lfs.github.com/spec/v1\\noid sha256:%064d\\nsize 12\\n' 0 > d/model.bin; echo small > small; ${commit}`,
  {},
  { kind: 'lfs', paths: ['d/model.bin'] },
)

test('attributes of git-lfs without a pointer are fine', async (t) => {
  const repository = await repositoryWith(t, "echo '*.bin filter=lfs' > .gitattributes; echo a > a")
  await t.notThrowsAsync(pack(t, repository))
})

test('a cancelled pack leaves nothing and rejects with the reason', async (t) => {
  const repository = await repositoryWith(t, 'echo a > a')
  const aborted = AbortSignal.abort(new Error('enough'))
  const home = await find(repository)
  await t.throwsAsync(packCode(home, asUsual, { env: repository.env, signal: aborted }), {
    message: 'enough',
  })
})

async function repositoryWith(t: ExecutionContext, line: string): Promise<TestRepository> {
  const repository = await makeRepository(t)
  await repository.sh(`${line}; git add -A; git commit -qm first || true`)
  return repository
}

function parts(repository: TestRepository) {
  return { env: repository.env, signal: new AbortController().signal }
}

function find(repository: TestRepository, place = '.') {
  return findRepository(join(repository.root, place), parts(repository))
}

async function pack(
  t: ExecutionContext,
  repository: TestRepository,
  options: Parameters<typeof packCode>[1] = asUsual,
) {
  const packed = await packCode(await find(repository), options, parts(repository))
  t.teardown(() => packed.dispose())
  return packed
}

/** What a pack holds, counted by git itself. */
async function objectsOf(t: ExecutionContext, packFile: string) {
  const { sh } = await makeRepository(t, 'unpacked')
  await sh(`git unpack-objects -q < '${packFile}'`)
  const kinds = (await sh("git cat-file --batch-all-objects --batch-check='%(objecttype)'")).split('\n')
  const count = (kind: string) => kinds.filter((one) => one === kind).length
  return { commits: count('commit'), trees: count('tree'), blobs: count('blob') }
}

async function refusal(t: ExecutionContext, action: Promise<unknown>) {
  const error = await t.throwsAsync(action, { instanceOf: CodeRefused })
  t.not(error?.message, '')
  return error?.refusal ?? { kind: 'no_git' as const }
}
