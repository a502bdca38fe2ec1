import { createHash, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { execa } from 'execa'
import { readConfig } from '../../cli/config.js'
import type { Installer } from '../../cli/machines/installer.js'
import { pastedLine } from '../../cli/machines/pasted-line.js'
import { version } from '../../cli/version.js'
import { projectRoot } from '../cli/support/spell.js'
import { bareMachine } from '../fixtures/bare-machine.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

// The archives for this machine's platform, as `npm run package` makes them: a cluster is brought up from one, serves them,
// and a pasted line installs them on a Debian without Node, compiler or git. Both are in a network namespace in which
// nobody else can be reached.

const programs = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const platform = `linux-${process.arch}`
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

test.serial('a pasted line brings spell to a machine with only a shell and curl', async (t) => {
  const folder = await temporaryFolder(t)
  const packages = join(folder, 'packages')
  await pack(packages, [platform])
  await execa('sha256sum', ['-c', 'SHA256SUMS'], { cwd: packages })
  const cluster = await clusterFrom(t, folder, packages)
  const machine = await bareMachine(t, cluster.network)
  const bare = await machine.run('ada', 'for each in node gcc git spell; do command -v $each; done; true')
  t.deepEqual(bare, { code: 0, stdout: '', stderr: '' })

  const login = ['login', cluster.address, '--ca-hash', cluster.caSha256, '--token-stdin']
  const forAda = pastedLine(await cluster.installer('cli.sh'), login, {})
  const installed = await machine.run('ada', forAda, cluster.token)
  t.is(installed.code, 0, installed.stderr)
  t.regex(installed.stdout, /^Hello, .*!$/)
  const spell = (words: string) => machine.run('ada', `.local/bin/spell ${words}`)
  t.is((await spell('--version')).stdout, `spell ${version}`)
  const run = await spell('run -f "echo hello from the archive"')
  t.is(run.code, 0, run.stderr)
  t.regex(run.stdout, /^hello from the archive$/m)
  t.regex((await spell('logs 1')).stdout, /^hello from the archive$/m)
  t.regex((await spell('cluster up')).stderr, /^Error: This spell is the command line alone\./)

  // All programs, for root: the line as an administrator gets it makes the machine a node.
  const line = await cluster.spell('node', 'token', '--runtime', 'process')
  t.regex(line, /^\(d=\$\(mktemp -d\).* node join .*\)$/)
  const token = /SPELL_JOIN_TOKEN=(\S+)/.exec(line)?.[1] ?? ''
  t.not(token, '')
  const joining = machine.start('root', line)
  const over = joining.ended.then(({ stderr }) => Promise.reject(new Error(`It ended: ${stderr}`)))
  await Promise.race([over, untilConnected(cluster, 'bare')])
  t.deepEqual(processesShowing(token), [])
  await cluster.spell('node', 'cordon', 'node-1')
  const onNode = await spell('run -f "hostname; command -v git || echo no git"')
  t.regex(onNode.stdout, /^bare\nno git$/m, onNode.stderr)
  // The programs are there, and what a cluster of this machine's own lacks is etcd alone.
  t.is((await machine.run('root', 'spell --version')).stdout, `spell ${version}`)
  t.regex((await machine.run('root', 'spell cluster up')).stderr, /^Error: A cluster keeps its state in etcd/)
})

test.serial(
  'the same input makes the same archive, and npm installs it without asking a registry',
  async (t) => {
    const folder = await temporaryFolder(t)
    const [one, other] = [join(folder, 'one'), join(folder, 'other')]
    await pack(one, ['npm'])
    await pack(other, ['npm'])
    t.is(await listed(one), await listed(other))
    const prefix = join(folder, 'prefix')
    await execa(
      'npm',
      ['install', '-g', '--offline', '--prefix', prefix, join(one, `spell-${version}.tgz`)],
      {
        env: { HOME: folder, npm_config_cache: join(folder, 'cache') },
      },
    )
    t.is((await execa(join(prefix, 'bin/spell'), ['--version'])).stdout, `spell ${version}`)
    // Where it was made shows nowhere in it: another clone makes the same.
    const found = await execa('grep', ['-rlF', projectRoot, join(prefix, 'lib')], { reject: false })
    t.is(found.stdout, '')
  },
)

/** When a node of this name is connected. */
async function untilConnected(cluster: Awaited<ReturnType<typeof clusterFrom>>, name: string): Promise<void> {
  for (;;) {
    const nodes = JSON.parse(await cluster.spell('node', 'list', '--json')) as readonly Listed[]
    if (nodes.some((node) => node.name === name && node.connected)) return
  }
}

interface Listed {
  readonly name: string
  readonly connected: boolean
}

/** Command lines, of all processes of this machine, that have the word in them. */
function processesShowing(word: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(commandLine)
    .filter((line) => line.includes(word))
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    // It has ended.
    return ''
  }
}

async function pack(out: string, only: readonly string[]): Promise<void> {
  const words = [...only.flatMap((each) => ['--only', each]), '--programs', programs, '--out', out]
  await execa(process.execPath, [join(projectRoot, 'ops/package/main.mjs'), ...words])
}

async function listed(folder: string): Promise<string> {
  return await readFile(join(folder, 'SHA256SUMS'), 'utf8')
}

/** A cluster of this machine's, in a network of its own and from the archive with all programs. */
async function clusterFrom(t: ExecutionContext, folder: string, packages: string) {
  const network = `package${process.pid}`
  await execa('ip', ['netns', 'add', network])
  t.teardown(() => execa('ip', ['netns', 'del', network]))
  await execa('ip', ['-n', network, 'link', 'set', 'lo', 'up'])
  const name = `spell-node-${version}-${platform}`
  await execa('tar', ['-C', folder, '-xzf', join(packages, `${name}.tar.gz`)])
  await rename(packages, join(folder, name, 'dist-packages'))
  const inside = async (words: readonly string[], environment: Readonly<Record<string, string>> = {}) => {
    const env = { PATH: path, HOME: folder, ...environment }
    const all = [`--net=/var/run/netns/${network}`, ...words]
    return (await execa('nsenter', all, { env, extendEnv: false, stdin: 'ignore' })).stdout
  }
  const spell = join(folder, name, 'bin/spell')
  const dir = join(folder, 'cluster')
  t.teardown(() => inside([spell, 'cluster', 'down', '--yes', '--dir', dir]))
  await inside([spell, 'cluster', 'up', '--detach', '--runtime', 'process', '--dir', dir])
  const [context] = (await readConfig(join(folder, '.spell'))).contexts
  if (!context) throw new Error('a cluster that came up is a context')
  const printer = join(programs, 'test/fixtures/print-installer.js')
  return {
    network,
    spell: (...words: string[]) => inside([spell, ...words]),
    address: context.addresses[0] ?? '',
    token: context.token,
    caSha256: createHash('sha256').update(new X509Certificate(context.ca).raw).digest('hex'),
    installer: async (script: string) =>
      JSON.parse(await inside([process.execPath, printer, script])) as Installer,
  }
}
