import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { program, seeToBuild } from '../setup/built.mjs'
import {
  inGroup,
  isMemberOfDockerGroup,
  joinDockerGroup,
  lookForEngine,
  startEngine,
} from '../setup/engine.mjs'
import {
  busybox,
  debootstrap,
  docker,
  etcd,
  git,
  install,
  missingOf,
  packagesOf,
  python,
  whyNotInstallable,
} from '../setup/packages.mjs'
import { runMain, Stop, say } from '../setup/say.mjs'
import { ask, run } from '../setup/shell.mjs'
import { installProgram } from './install-program.mjs'
import { makeRepository } from './repository.mjs'

// `npm run quickstart [-- --yes]`: from a fresh clone to the saved result of a real run. Everything it does can be done
// again; what is there already is used. Needs nothing but Node, and apt for what the system lacks.

const clientFolder = process.env.SPELL_DIR || join(homedir(), '.spell')
const clusterFolder = join(clientFolder, 'quickstart')
const repository = join(clusterFolder, 'iris')
const command = 'python3 train.py'
// Of a login in use, which would go before the cluster's own.
const overriding = ['SPELL_TOKEN', 'SPELL_BASE_URL', 'SPELL_OWNER'].filter((name) => process.env[name])

runMain(async () => {
  const [node] = process.versions.node.split('.')
  if (Number(node) < 20) throw new Stop(`Spell needs Node 20.19 or newer; this is ${process.version}.`)
  await seeToPackages(process.argv.includes('--yes') || process.argv.includes('-y'))
  const engine = await seeToEngine()
  await seeToBuild()
  const spell = await installProgram()
  const within = engine.within ?? ((words) => words)
  if (engine.usable) await makeImage(within)
  await bringUp(within)
  const contextWords = usesOwnContext() ? [] : ['--context', contextName()]
  makeRepository(repository)
  const code = await firstRun([spell, ...contextWords])
  if (code !== 0)
    throw new Stop(
      `The run did not go well (exit code ${code}); the cluster's logs are in ${join(clusterFolder, 'logs')}.`,
    )
  sayHowToGoOn([spell, ...contextWords], engine)
})

async function seeToPackages(agreed) {
  const required = missingOf([etcd, git], existsSync)
  const wanted = missingOf([docker, debootstrap, busybox], existsSync)
  const here = missingOf([python], existsSync)
  const missing = [...required, ...wanted, ...here]
  if (missing.length === 0) return
  say(
    'Spell is made of a coordinator and node agents, which this quickstart brings up on this machine. It needs:',
  )
  for (const need of missing) say(`  ${need.packages.join(', ')}: ${need.why}`)
  const obstacle = whyNotInstallable()
  if (obstacle !== undefined) {
    const packages = packagesOf(missing).join(' ')
    if (required.length + here.length > 0)
      throw new Stop(
        `These can't be installed from here: ${obstacle}. Have them installed:\n    apt-get install --no-install-recommends ${packages}`,
      )
    say(`They can't be installed from here: ${obstacle}. It goes on without them.`)
    return
  }
  say(
    'They are installed with apt-get. Besides, npm packages go into this folder, and a small program "spell" into your PATH.',
  )
  if (!agreed) await agree()
  await install(missing)
}

async function agree() {
  if (!process.stdin.isTTY) {
    say('There is no terminal to ask on: going on.')
    return
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  const answer = (await lines.question('Install them? [Y/n]: ')).trim().toLowerCase()
  lines.close()
  if (!['', 'y', 'yes'].includes(answer)) throw new Stop('Nothing was installed.')
}

/** Whether this user's programs can use a Docker Engine, how they must be started for that, and how to end one we started. */
async function seeToEngine() {
  let end
  if ((await lookForEngine()) === 'silent') {
    const started = await startEngine()
    if (started.kind === 'failed') {
      say(`\nThere is no Docker Engine: ${started.reason}.`)
      return { usable: false }
    }
    end = started.end
  }
  if ((await lookForEngine()) === 'answers') return { usable: true, end }
  const within = isMemberOfDockerGroup() ? inGroup : await joinDockerGroup()
  if (within === undefined) say('\nThere is a Docker Engine, but this user may not use it.')
  return { usable: within !== undefined, within, end }
}

async function makeImage(within) {
  const [first, ...rest] = within([process.execPath, program, 'cluster', 'make-image'])
  const code = await run(first, rest, { env: environment() })
  if (code !== 0) say('Without that image a run has to name one with --from.')
}

async function bringUp(within) {
  const status = clusterStatus()
  if (status?.state === 'up') {
    say(
      `\nThe cluster in ${clusterFolder} is up; its newest run is ${status.newest_run_id ?? 'yet to come'}. Its runs execute in: ${status.runtime}.`,
    )
    return
  }
  say('\nBringing up a cluster of one machine…')
  // A supervisor that died left its lock to nobody; one that lives brings up what is missing by itself.
  const [first, ...rest] = within([
    process.execPath,
    program,
    'cluster',
    'up',
    '--detach',
    '--dir',
    clusterFolder,
  ])
  const code = await run(first, rest, { env: environment(), cwd: clientFolderOrHome() })
  if (code !== 0) throw new Stop('The cluster did not come up.')
}

function clientFolderOrHome() {
  return existsSync(clientFolder) ? clientFolder : homedir()
}

function clusterStatus() {
  const { code, stdout } = ask(
    process.execPath,
    [program, 'cluster', 'status', '--json', '--dir', clusterFolder],
    { env: environment() },
  )
  return code === 0 ? JSON.parse(stdout) : undefined
}

/** Whether `spell` without further words speaks to this cluster. */
function usesOwnContext() {
  const { stdout } = ask(process.execPath, [program, 'context', 'list', '--json'], { env: environment() })
  const contexts = stdout
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line))
  return contexts.some((context) => context.current && context.name === contextName())
}

function contextName() {
  return clusterStatus()?.name ?? 'quickstart'
}

async function firstRun(spell) {
  say(`\nA run, from the git repository ${repository}:\n`)
  say(`$ cd ${repository}`)
  const code = await typed([...spell, 'run', command])
  if (code !== 0) return code
  const { stdout } = ask(process.execPath, [program, ...spell.slice(1), 'ps', '--json', '-n', '1'], {
    env: environment(),
  })
  const [{ id }] = stdout
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => JSON.parse(line))
  say('')
  return await typed([...spell, 'ls', `runs/${id}`])
}

/** Shows a command line as it would be typed, and runs it so. */
async function typed([name, ...args]) {
  say(`$ ${[name, ...args.map(shellWord)].join(' ')}`)
  return await run('/bin/sh', ['-c', '"$0" "$@"', name, ...args], { cwd: repository, env: environment() })
}

function sayHowToGoOn(spell, engine) {
  const typedSpell = [
    ...overriding.flatMap((name, index) => (index === 0 ? ['env', '-u', name] : ['-u', name])),
    ...spell,
  ].join(' ')
  say(
    `\nEverything of this cluster is in ${clusterFolder}. "npm run quickstart" finds it again, after a reboot too.`,
  )
  say(
    `What is running now: the cluster; end it with   ${typedSpell.split(' --context')[0]} cluster down --dir ${clusterFolder}`,
  )
  if (engine.end) say(`and a Docker Engine; end it with                ${engine.end}`)
  say('\nNow type, for another seed and other numbers:')
  say(`cd ${shellWord(repository)} && ${typedSpell} run "${command} --seed 2"`)
}

function shellWord(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `"${word}"`
}

/** The user's own, without what npm adds for a script. */
function environment() {
  const entries = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('npm_') && !overriding.includes(name),
  )
  const path = [
    ...(process.env.PATH ?? '')
      .split(':')
      .filter(
        (folder) => folder && !folder.includes('node_modules/.bin') && !folder.includes('node-gyp-bin'),
      ),
  ]
  return {
    ...Object.fromEntries(entries),
    PATH: path.length > 0 ? path.join(':') : '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  }
}
