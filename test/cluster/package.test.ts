import { readdirSync, readFileSync } from 'node:fs'
import { readFile, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { execa } from 'execa'
import { readConfig } from '../../cli/config.js'
import type { Installer } from '../../cli/machines/installer.js'
import { pastedLine } from '../../cli/machines/pasted-line.js'
import { version } from '../../cli/version.js'
import { fingerprint } from '../../common/certificates.js'
import { projectRoot } from '../cli/support/spell.js'
import { bareMachine } from '../fixtures/bare-machine.js'
import { startMachines } from '../fixtures/machines.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

// The archives for this machine's platform, as `npm run package` makes them: a cluster is made from one on one machine and
// serves them; pasted lines bring them to two others, each a Debian with curl and without Node, compiler or git. No machine
// reaches anything but the others.

const programs = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const platform = `linux-${process.arch}`

test.serial(
  'pasted lines bring spell to a node and to a laptop that have only a shell and curl',
  async (t) => {
    const folder = await temporaryFolder(t)
    const packages = join(folder, 'packages')
    await pack(packages, [platform])
    await execa('sha256sum', ['-c', 'SHA256SUMS'], { cwd: packages })
    const machines = await startMachines(t, ['alpha', 'gpu-1', 'laptop'])
    const hosts = await readFile(join(machines.folder, 'hosts'), 'utf8')
    const cluster = await clusterOn(machines.get('alpha'), folder, packages)

    const gpu = await bareMachine(t, machines.get('gpu-1'), hosts)
    const bare = await gpu.run('ada', 'for each in node gcc git spell; do command -v $each; done; true')
    t.deepEqual(bare, { code: 0, stdout: '', stderr: '' })
    const line = await cluster.spell('node token --runtime process')
    t.regex(line, /^\(d=\$\(mktemp -d\).* node join alpha:7000 .*\)\n$/)
    const token = /SPELL_JOIN_TOKEN=(\S+)/.exec(line)?.[1] ?? ''
    t.not(token, '')
    const joining = gpu.start('root', line)
    const over = joining.ended.then(({ stderr }) => Promise.reject(new Error(`It ended: ${stderr}`)))
    await Promise.race([over, untilConnected(cluster, 'gpu-1')])
    t.deepEqual(processesShowing(token), [])
    t.is((await gpu.run('root', 'spell --version')).stdout, `spell ${version}`)
    // What a cluster of this machine's own lacks is etcd alone.
    t.regex((await gpu.run('root', 'spell cluster up')).stderr, /^Error: A cluster keeps its state in etcd/)

    const laptop = await bareMachine(t, machines.get('laptop'), hosts)
    const login = ['login', cluster.address, '--ca-hash', cluster.caSha256, '--token-stdin']
    const installed = await laptop.run('ada', pastedLine(await cluster.installer(), login, {}), cluster.token)
    t.is(installed.code, 0, installed.stderr)
    t.regex(installed.stdout, /^Hello, .*!$/)
    const spell = (words: string) => laptop.run('ada', `.local/bin/spell ${words}`)
    t.is((await spell('--version')).stdout, `spell ${version}`)
    const run = await spell('run -f "hostname; command -v git || echo no git"')
    t.is(run.code, 0, run.stderr)
    t.regex(run.stdout, /^gpu-1\nno git$/m)
    t.is((await spell('logs 1')).stdout.includes('gpu-1\nno git\n'), true)
    t.regex((await spell('cluster up')).stderr, /^Error: This spell is the command line alone\./)
  },
)

test.serial('spell cluster up from an archive finds its programs', async (t) => {
  const folder = await temporaryFolder(t)
  const packages = join(folder, 'packages')
  await pack(packages, ['npm'])
  await execa('tar', ['-C', folder, '-xzf', join(packages, `spell-${version}.tgz`)])
  await rename(packages, join(folder, 'package/dist-packages'))
  const dir = join(folder, 'cluster')
  const env = { PATH: process.env.PATH ?? '', HOME: folder }
  const spell = (...words: string[]) =>
    execa(process.execPath, [join(folder, 'package/dist/bundle/spell.cjs'), ...words], {
      cwd: folder,
      env,
      extendEnv: false,
    })
  t.teardown(() => spell('cluster', 'down', '--yes', '--dir', dir))
  await spell('cluster', 'up', '--detach', '--runtime', 'process', '--dir', dir)
  t.regex((await spell('run', '-f', 'echo hello')).stdout, /^hello$/m)
  const { ports } = JSON.parse(await readFile(join(dir, 'cluster.json'), 'utf8')) as {
    readonly ports: Readonly<Record<string, number>>
  }
  const list = await execa('curl', [
    '-sk',
    `https://127.0.0.1:${ports['coordinator-1.downloads']}/SHA256SUMS`,
  ])
  t.regex(list.stdout, new RegExp(`^[0-9a-f]{64} {2}spell-${version}\\.tgz$`))
})

test.serial(
  'the same input makes the same archive, and npm installs it without asking a registry',
  async (t) => {
    const folder = await temporaryFolder(t)
    const [one, other] = [join(folder, 'one'), join(folder, 'other')]
    await pack(one, ['npm'])
    await pack(other, ['npm'])
    const list = (name: string) => readFile(join(name, 'SHA256SUMS'), 'utf8')
    t.is(await list(one), await list(other))
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

async function pack(out: string, only: readonly string[]): Promise<void> {
  const words = [...only.flatMap((each) => ['--only', each]), '--programs', programs, '--out', out]
  await execa(process.execPath, [join(projectRoot, 'ops/package/main.mjs'), ...words])
}

type Alpha = ReturnType<Awaited<ReturnType<typeof startMachines>>['get']>

/** A cluster whose first machine has spell from the archive, and the archives where its coordinator serves them. */
async function clusterOn(alpha: Alpha, folder: string, packages: string) {
  const name = `spell-node-${version}-${platform}`
  await execa('tar', ['-C', folder, '-xzf', join(packages, `${name}.tar.gz`)])
  const program = join(folder, name, 'bin/spell')
  const said = async (script: string) => {
    const { code, stdout, stderr } = await alpha.type(script)
    if (code !== 0) throw new Error(`${script}: ${stderr}`)
    return { stdout, stderr }
  }
  const init = await said(`${program} cluster init --name lab --allow-process-nodes`)
  await rename(packages, join(alpha.disk, 'lib/coordinator/packages'))
  // What `init` asks to be kept running where there is no systemd.
  for (const [, words = ''] of init.stderr.matchAll(/^ {2}spell (\w+ start .*)$/gm))
    await alpha.start(`${program} ${words}`).until(/: started/)
  const [context] = (await readConfig(join(alpha.disk, 'home/.spell'))).contexts
  if (!context) throw new Error('whoever made a cluster is its administrator')
  const printer = join(programs, 'test/fixtures/print-installer.js')
  return {
    address: context.addresses[0] ?? '',
    token: context.token,
    caSha256: fingerprint(context.ca),
    spell: async (words: string) => (await said(`${program} ${words}`)).stdout,
    installer: async () =>
      JSON.parse((await said(`${process.execPath} ${printer} cli.sh`)).stdout) as Installer,
  }
}

/** When a node of this name is connected. */
async function untilConnected(cluster: Awaited<ReturnType<typeof clusterOn>>, name: string): Promise<void> {
  for (;;) {
    const nodes = JSON.parse(await cluster.spell('node list --json')) as readonly Listed[]
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
