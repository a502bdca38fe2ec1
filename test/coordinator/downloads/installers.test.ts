import { createHash } from 'node:crypto'
import { chmod, mkdir, readdir, readFile, readlink, rename, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { issueCertificate, makeAuthority } from '../../../common/certificates.js'
import { parseList } from '../../../coordinator/downloads/archives.js'
import { installerScript } from '../../../coordinator/downloads/installers.js'
import { smallDisk } from '../../fixtures/small-disk.js'
import { temporaryFolder } from '../../fixtures/temporary-folder.js'

// The installers on this machine, with an archive in which spell is a line of shell. Whether the real archives work is
// tried in test/cluster/package.test.ts.

const name = 'spell-node-1.10.0-linux-x64.tar.gz'
const older = 'spell-node-1.9.0-linux-x64.tar.gz'
const token = 'a-secret'
const programs = [
  ...[
    'sh',
    'id',
    'mkdir',
    'rm',
    'mv',
    'ln',
    'tar',
    'gzip',
    'cut',
    'tail',
    'tr',
    'df',
    'curl',
    'sha256sum',
    'cat',
  ],
  ...['env', 'sort'],
] as const

interface Machine {
  readonly folder: string
  readonly address: string
  readonly script: string
  readonly environment: Readonly<Record<string, string>>
}

interface MachineOptions {
  readonly without?: readonly string[]
  readonly uname?: string
  /** What spell in the archive is. */
  readonly spell?: string
}

const usualSpell = `#!/bin/sh
if [ "$1" = --version ]; then echo 'spell 1.10.0'; else echo "$# $* token $SPELL_JOIN_TOKEN"; fi
`

async function machine(t: ExecutionContext, options: MachineOptions = {}): Promise<Machine> {
  const folder = await temporaryFolder(t)
  const bin = join(folder, 'path')
  await mkdir(bin)
  for (const program of programs) {
    if (options.without?.includes(program)) continue
    await symlink((await execa('sh', ['-c', `command -v ${program}`])).stdout, join(bin, program))
  }
  await writeFile(join(bin, 'uname'), `#!/bin/sh\necho '${options.uname ?? 'Linux x86_64'}'\n`, {
    mode: 0o755,
  })
  const content = await packed(folder, options.spell ?? usualSpell)
  const hash = createHash('sha256').update(content).digest('hex')
  const list = parseList(`${'0'.repeat(64)}  ${older}\n${hash}  ${name}\n`)
  const script = join(folder, 'node.sh')
  await writeFile(script, installerScript('node.sh', list) ?? '')
  const address = await served(t, content)
  const environment = {
    PATH: bin,
    HOME: join(folder, 'home'),
    SPELL_INSTALL_DIR: join(folder, 'home/.local/share/spell'),
    SPELL_BIN_DIR: join(folder, 'home/.local/bin'),
  }
  return { folder, address, script, environment }
}

const install = (
  { script, address, environment }: Machine,
  words: readonly string[] = [],
  more: Readonly<Record<string, string>> = {},
) =>
  execa('/bin/sh', [script, address, ...words], {
    env: { ...environment, ...more },
    extendEnv: false,
    reject: false,
  })

test('the newest archive for this machine is installed, linked and started with the words and the token', async (t) => {
  const box = await machine(t)
  // Whoever fetches sees nothing of the token.
  const curl = await readlink(join(box.environment.PATH ?? '', 'curl'))
  await rename(join(box.folder, 'path/curl'), join(box.folder, 'path/real-curl'))
  const spy = `#!/bin/sh\nenv >>${box.folder}/seen; echo "$*" >>${box.folder}/seen\nexec ${curl} "$@"\n`
  await writeFile(join(box.folder, 'path/curl'), spy, { mode: 0o755 })
  const words = ['node', 'join', '10.0.0.1:7000,[fd00::1]:7000', 'with blanks']
  const first = await install({ ...box, address: `127.0.0.1:1,${box.address}` }, words, {
    SPELL_JOIN_TOKEN: token,
  })
  t.is(first.exitCode, 0, first.stderr)
  t.is(first.stdout, `4 ${words.join(' ')} token ${token}`)
  const seen = await readFile(join(box.folder, 'seen'), 'utf8')
  t.true(seen.includes(name))
  t.false(seen.includes(token))
  const home = box.environment.SPELL_INSTALL_DIR ?? ''
  const [installed = ''] = await readdir(home)
  t.regex(installed, /^spell-node-1\.10\.0-linux-x64-[0-9a-f]{12}$/)
  const link = join(box.environment.SPELL_BIN_DIR ?? '', 'spell')
  t.is(await readlink(link), join(home, installed, 'bin/spell'))
  t.regex(first.stderr, /Installed spell 1\.10\.0: .*\n.* is not in your PATH: export PATH=".*:\$PATH"$/)
  // Once more: nothing is fetched, which nobody could do any more.
  const again = await install({ ...box, address: '127.0.0.1:1' }, ['ps'])
  t.is(again.stdout, '1 ps token ')
  t.deepEqual(await readdir(home), [installed])
})

test('wget does as well', async (t) => {
  const box = await machine(t, { without: ['curl'] })
  await symlink((await execa('sh', ['-c', 'command -v wget'])).stdout, join(box.folder, 'path/wget'))
  const { stdout, stderr } = await install({ ...box, address: `127.0.0.1:1,${box.address}` }, ['ps'])
  t.is(stdout, '1 ps token ', stderr)
})

test('a program that is called spell and is no link of ours stays', async (t) => {
  const box = await machine(t)
  const bin = box.environment.SPELL_BIN_DIR ?? ''
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'spell'), 'a speller')
  const { stdout, stderr, exitCode } = await install(box, ['ps'])
  t.is(exitCode, 0)
  t.is(stdout, '1 ps token ')
  t.regex(stderr, /bin\/spell is another program and stays; spell is .*\/bin\/spell\.$/)
  t.is(await readFile(join(bin, 'spell'), 'utf8'), 'a speller')
})

const refusals: readonly {
  readonly what: string
  readonly options?: MachineOptions
  readonly change?: (box: Machine, t: ExecutionContext) => Promise<Partial<Machine> | undefined>
  readonly says: RegExp
}[] = [
  {
    what: 'another processor',
    options: { uname: 'Linux riscv64' },
    says: /^There is no archive of spell for this machine \(Linux riscv64\) on this cluster\.$/,
  },
  {
    what: 'neither curl nor wget',
    options: { without: ['curl'] },
    says: /^Neither curl nor wget is here: install one of them\.$/,
  },
  {
    what: 'nothing to hash with',
    options: { without: ['sha256sum'] },
    says: /^Neither sha256sum nor shasum is here: install coreutils\.$/,
  },
  {
    what: 'nothing to unpack with',
    options: { without: ['gzip'] },
    says: /^tar and gzip are needed to unpack spell: install them\.$/,
  },
  {
    what: 'nobody who has it',
    change: async () => ({ address: '127.0.0.1:1,127.0.0.1:2' }),
    says: /could not be fetched from 127\.0\.0\.1:1,127\.0\.0\.1:2\. Free in .*: \d+ MB, and about 300 MB are needed\./,
  },
  {
    what: 'another archive under its name',
    change: async ({ script }) => {
      const text = await readFile(script, 'utf8')
      await writeFile(script, text.replace(/hash=[0-9a-f]{64}/, `hash=${'1'.repeat(64)}`))
      return undefined
    },
    says: /is not the one that was promised \(its hash differs\): ask for a new line\.$/,
  },
  {
    what: 'a Node that needs a newer C library',
    options: { spell: `#!/bin/sh\necho "libc.so.6: version 'GLIBC_2.28' not found" >&2; exit 1\n` },
    says: /^Fetching .*\nThis machine's C library is too old or another one; spell needs glibc 2\.28 or newer\. It said: /,
  },
  {
    what: 'a folder that cannot be made',
    change: async ({ folder, environment }) => {
      await writeFile(join(folder, 'file'), '')
      return { environment: { ...environment, SPELL_INSTALL_DIR: join(folder, 'file/below') } }
    },
    says: /file\/below cannot be made or written: SPELL_INSTALL_DIR names another folder\.$/,
  },
  {
    what: 'a full disk',
    change: (box, t) => onDisk(t, box, 'full'),
    says: /could not be (?:fetched from .*|unpacked)\. Free in .*: 0 MB, and about 300 MB are needed\. SPELL_INSTALL_DIR names another folder\.$/,
  },
  {
    what: 'a disk from which nothing may be started',
    change: (box, t) => onDisk(t, box, 'noexec'),
    says: /Programs cannot be started in .*, which may be mounted noexec: SPELL_INSTALL_DIR names another folder\.$/,
  },
]
for (const { what, options = {}, change, says } of refusals) {
  test.serial(`nothing is installed, and it says why: ${what}`, async (t) => {
    const box = await machine(t, options)
    const changed = { ...box, ...(await change?.(box, t)) }
    if (changed.folder === '') return t.pass('this user may mount nothing')
    const { exitCode, stdout, stderr } = await install(changed, ['ps'])
    t.is(exitCode, 1)
    t.is(stdout, '')
    t.regex(stderr, says)
    const left = await readdir(changed.environment.SPELL_INSTALL_DIR ?? '').catch(() => [])
    t.deepEqual(left, [])
  })
}

test('without a home folder it asks where to install', async (t) => {
  if (userInfo().uid === 0) return t.pass('root needs none')
  const box = await machine(t)
  const { PATH = '' } = box.environment
  const { exitCode, stderr } = await install({ ...box, environment: { PATH } })
  t.is(exitCode, 1)
  t.is(stderr, 'HOME is not set: export HOME, or SPELL_INSTALL_DIR and SPELL_BIN_DIR.')
})

/** The machine with its place for programs on a small disk. */
async function onDisk(t: ExecutionContext, box: Machine, kind: 'full' | 'noexec'): Promise<Partial<Machine>> {
  const disk = await smallDisk(t, kind === 'full' ? 16_384 : 1_000_000)
  if (disk === undefined) return { folder: '' }
  if (kind === 'noexec') await execa('mount', ['-o', 'remount,noexec', disk])
  return { environment: { ...box.environment, SPELL_INSTALL_DIR: disk } }
}

async function packed(folder: string, spell: string): Promise<Buffer> {
  const top = join(folder, 'content')
  await mkdir(join(top, 'x/bin'), { recursive: true })
  await writeFile(join(top, 'x/bin/spell'), spell)
  await chmod(join(top, 'x/bin/spell'), 0o755)
  await writeFile(join(top, 'x/large'), Buffer.alloc(100_000))
  const { stdout } = await execa('tar', ['-C', top, '-cz', 'x'], { encoding: 'buffer' })
  return Buffer.from(stdout)
}

async function served(t: ExecutionContext, content: Buffer): Promise<string> {
  const names = { commonName: 'coordinator:a', dnsNames: ['elsewhere'], ipAddresses: [] }
  const { certificatePem, keyPem } = await issueCertificate(await makeAuthority('test'), names)
  const server = createServer({ cert: certificatePem, key: keyPem }, ({ url }, response) => {
    if (url === `/${name}`) response.end(content)
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}
