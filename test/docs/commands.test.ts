import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { projectRoot } from '../cli/support/spell.js'
import { ended, spellProgram } from '../fixtures/cluster.js'
import { temporaryFolder } from '../fixtures/temporary-folder.js'

// Commands that the pages print: those of a cluster are run as the page has them, and no page names a command, an option
// or a script that is not there.

const pages = ['README.md', ...readdirSync(join(projectRoot, 'docs')).map((name) => `docs/${name}`)]
const textOf = (page: string) => readFileSync(join(projectRoot, page), 'utf8')

/** What stands in a line of the synopsis for what a user chooses. */
function filled(line: string, choices: Readonly<Record<string, string>>): string {
  const all = line.replace(/\[|\]/g, '').replace(/\s+/g, ' ')
  return all.replace(/(--[a-z-]+) ([A-Z]+|auto\S*)/g, (_, option: string) => `${option} ${choices[option]}`)
}

test('the lines of docs/operating.md bring a cluster up, show it, and take it down', async (t) => {
  const folder = await temporaryFolder(t)
  const dir = join(folder, 'cluster')
  const choices = {
    ...{ '--dir': dir, '--nodes': '2', '--coordinators': '1', '--runtime': 'dummy' },
    ...{ '--cpus': '4', '--memory': '8G', '--nvidia-smi': '/bin/true' },
  }
  const env = { PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8', SPELL_DIR: join(folder, 'client') }
  const typed = async (line: string) => {
    const script = line.replace(/^spell /, `${process.execPath} ${spellProgram} `)
    return await ended(spawn('bash', ['-c', script], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] }))
  }
  const block =
    /\n\n((?: {4}.*\n)*? {4}spell cluster up(?:.*\n)*?)\n/.exec(textOf('docs/operating.md'))?.[1] ?? ''
  const lines = block
    .replace(/\n {6,}/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
  t.deepEqual(
    lines.map((line) => line.split(' ').slice(0, 3).join(' ')),
    ['spell cluster up', 'spell cluster status', 'spell cluster down'],
  )
  t.teardown(async () => {
    if (existsSync(dir)) await typed(`spell cluster down --yes --dir ${dir}`)
    await rm(dir, { recursive: true, force: true })
  })
  const [up, status, down] = lines.map((line) => filled(line, choices))
  const came = await typed(up ?? '')
  t.is(came.code, 0, came.stderr)
  const shown = JSON.parse((await typed(status ?? '')).stdout) as { state: string; processes: unknown[] }
  t.is(shown.state, 'up')
  t.is(shown.processes.length, 5)
  const went = await typed(down ?? '')
  t.is(went.code, 0, went.stderr)
})

test('no page names a script that package.json does not have', (t) => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> }
  for (const page of pages)
    for (const [, name = ''] of textOf(page).matchAll(/npm run ([\w:-]+)/g))
      t.true(name in scripts, `${page}: npm run ${name}`)
})

/** How many words name a command before its arguments begin. */
function depthOf([first = '', second = '']: readonly string[]): number {
  if (first === 'cluster' && ['user', 'machine-type'].includes(second)) return 3
  const nested = ['cluster', 'context', 'project', 'node', 'coordinator', 'etcd', 'access-tokens']
  return nested.includes(first) ? 2 : 1
}

test('no page names a command or an option that spell does not have', async (t) => {
  const lines = pages.flatMap((page) =>
    [...textOf(page).matchAll(/(?:`|^ {4}(?:\$ )?)(spell (?:[a-z-]+[^`\n]*)?)(?:`|$)/gm)].map(
      ([, line = '']) => line,
    ),
  )
  const wanted = new Map<string, Set<string>>()
  for (const line of lines) {
    const before = line.replace(/ -- .*/, '').replace(/"[^"]*"|'[^']*'/g, '')
    const words = before
      .split(/\s+/)
      .slice(1)
      .filter((word) => /^[a-z][a-z-]*$/.test(word))
    const path = words.slice(0, depthOf(words))
    if (path.length === 0) continue
    const options = wanted.get(path.join(' ')) ?? new Set()
    for (const [option] of before.matchAll(/(?<= |\[)--?[a-z][a-z-]*/g)) options.add(option)
    wanted.set(path.join(' '), options)
  }
  t.true(wanted.size > 12)
  for (const [path, options] of wanted) {
    const help = await ended(
      spawn(process.execPath, [spellProgram, ...path.split(' '), '--help'], {
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    t.is(help.code, 0, `spell ${path}: ${help.stderr}`)
    for (const option of options) {
      if (option === '--context' || option === '--help') continue
      t.true(
        new RegExp(`(^|[\\s,])${option}\\b`, 'm').test(help.stdout),
        `spell ${path} ${option}\n${help.stdout}`,
      )
    }
  }
})
