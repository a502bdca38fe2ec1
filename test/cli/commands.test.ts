import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import type { Command } from 'commander'
import { commands } from '../../cli/catalogue.js'
import { commandNames, laterCommands } from '../../cli/command-names.js'
import { version } from '../../cli/version.js'
import type { World } from '../../cli/world.js'
import { desk, program, projectRoot } from './support/spell.js'

test('the version is that of package.json', (t) => {
  t.is(JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')).version, version)
})

test('every command has help with an example, on stdout', async (t) => {
  const { spell, tidy } = await desk()
  t.teardown(tidy)
  t.deepEqual(
    commands.map(({ name }) => name),
    Object.keys(commandNames),
  )
  for (const { name } of commands) {
    const help = await spell([name, '--help'])
    t.is(help.code, 0, name)
    t.regex(help.stdout, new RegExp(`^Usage: spell ${name}`), name)
    t.regex(help.stdout, /Examples?:\n {2}(spell|source) /, name)
    t.is((await spell(['help', name])).stdout, help.stdout, name)
  }
})

test('every command that says something of a cluster says it as JSON too', async (t) => {
  const world = {} as World
  const built = await Promise.all(commands.map(async ({ load }) => (await load()).build(world, [], commands)))
  const without = built
    .flatMap(leaves)
    .filter((leaf) => !leaf.options.some(({ long }) => long === '--json'))
    .filter((leaf) => leaf.description() !== 'Not part of this version yet.')
    .map((leaf) => leaf.name())
  t.deepEqual([...new Set(without)].sort(), ['join', 'leave', 'make-image', 'spell completion', 'start'])
})

function leaves(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves)
}

test('a context before --help, help or --version changes nothing', async (t) => {
  const { spell, tidy } = await desk()
  t.teardown(tidy)
  for (const word of ['--help', '-h', 'help', '--version', '-V']) {
    const { code, stdout } = await spell(['--context', 'lab', word])
    t.deepEqual([code, stdout], [0, (await spell([word])).stdout], word)
  }
  t.is((await spell(['--context=lab'])).stdout, (await spell([])).stdout)
})

test('where the working directory was removed, what needs it says so', async (t) => {
  const { env, cwd, tidy } = await desk()
  t.teardown(tidy)
  const spell = (words: string) =>
    spawnSync(
      'bash',
      ['-c', `mkdir gone; cd gone; rmdir ../gone; exec "$0" "$1" ${words}`, process.execPath, program],
      {
        cwd,
        env,
        encoding: 'utf8',
      },
    )
  const needy = spell('cluster status --dir here')
  t.deepEqual([needy.status, needy.stderr], [4, 'Error: The working directory does not exist any more.\n'])
  t.is(spell('context list').status, 0)
})

const usage = test.macro({
  async exec(t, args: readonly string[], code: number, sentence: RegExp) {
    const { spell, tidy } = await desk()
    t.teardown(tidy)
    const ended = await spell(args)
    t.is(ended.code, code)
    t.regex(ended.stderr, sentence)
    t.is(ended.stdout, '')
  },
  title: (_, args: readonly string[], code: number) => `spell ${args.join(' ')} exits with ${code}`,
})
test(usage, ['pss'], 2, /There is no command "spell pss"\. Did you mean "spell ps"\?/)
test(usage, ['frobnicate'], 2, /See "spell --help"/)
test(usage, ['--frobnicate'], 2, /Unknown option/)
test(
  usage,
  ['ps', '--lable', 'x'],
  2,
  /unknown option '--lable'\n\(Did you mean --label\?\)\nSee "spell ps --help"/,
)
test(usage, ['ps', '-n', 'many'], 2, /must be a whole number/)
test(usage, ['ps', '--project', 'x', '--uncategorized'], 2, /Only one of/)
test(usage, ['logs'], 2, /missing required argument 'id'/)
test(usage, ['logs', 'x'], 2, /id of a run/)
test(usage, ['project', 'creat'], 2, /Did you mean create\?\)\nSee "spell project --help"/)
test(usage, ['project', 'create'], 2, /See "spell project create --help"/)
test(usage, ['run', '--timeout', 'soon', 'x'], 2, /90m or 36h/)
test(usage, ['cluster', 'add-bucket'], 1, /"spell cluster add-bucket" is not part of this version/)
test(usage, ['cluster', 'add-bucket', 'x'], 1, /"spell cluster add-bucket" is not part/)
test(usage, ['cluster', 'backup'], 2, /missing required argument 'file'/)
test(usage, ['cluster', 'restore', 'x', '--dir', ''], 2, /--dir needs the name of a folder/)
test(usage, ['completion', 'fish'], 2, /only for bash/)
for (const name of laterCommands)
  test(usage, [name], 1, new RegExp(`"spell ${name}" is not part of this version`))

test('bash completes commands, commands of commands, and options', async (t) => {
  const { spell, tidy, cwd } = await desk()
  t.teardown(tidy)
  writeFileSync(join(cwd, 'completion'), (await spell(['completion', 'bash'])).stdout)
  const complete = (...words: readonly string[]) => {
    const script = `source completion; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _spell; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', script], { cwd, encoding: 'utf8' }).trim().split(' ')
  }
  t.deepEqual(complete('spell', 'pro'), ['project'])
  t.deepEqual(complete('spell', 'project', 'cr'), ['create'])
  t.deepEqual(complete('spell', 'project', 'create', '--na'), ['--name'])
  t.deepEqual(complete('spell', 'cluster', 'machine-type', 'li'), ['list'])
  t.true(complete('spell', 'run', '-f', '--t').includes('--timeout'))
  t.deepEqual(complete('spell', 'run', '--', '--t'), [''])
})
