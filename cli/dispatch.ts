import { commands } from './catalogue.js'
import type { Entry } from './command-file.js'
import { laterCommands } from './command-names.js'
import { Failure } from './failure.js'
import { instantAnswer } from './instant-answer.js'
import { nearest } from './nearest.js'
import type { World } from './world.js'

/** Finds the command, loads its file alone, and lets it parse the rest. */
export async function dispatch(argv: readonly string[], world: World): Promise<number> {
  const { context, rest } = leadingContext(argv)
  const answer = instantAnswer(rest)
  if (answer !== undefined) {
    world.stdout.write(answer)
    return 0
  }
  const [name = '', ...words] = rest
  const [wanted, args] = name === 'help' ? [words[0] ?? '', [...words.slice(1), '--help']] : [name, words]
  const file = await find(wanted).load()
  const given = context === undefined ? args : [`--context=${context}`, ...args]
  await file.build(world, given, commands).parseAsync([...given], { from: 'user' })
  return 0
}

function leadingContext(argv: readonly string[]): { context: string | undefined; rest: readonly string[] } {
  const [first = '', second] = argv
  if (first.startsWith('--context='))
    return { context: first.slice('--context='.length), rest: argv.slice(1) }
  if (first !== '--context') return { context: undefined, rest: argv }
  if (second === undefined) throw new Failure('usage', '--context needs the name of a context.')
  return { context: second, rest: argv.slice(2) }
}

function find(name: string): Entry {
  const entry = commands.find((candidate) => candidate.name === name)
  if (entry) return entry
  if (laterCommands.includes(name)) {
    throw new Failure('error', `"spell ${name}" is not part of this version of Spell yet.`)
  }
  if (name.startsWith('-')) throw new Failure('usage', `Unknown option "${name}". See "spell --help".`)
  const close = nearest(
    name,
    commands.map((candidate) => candidate.name),
  )
  const hint = close === undefined ? 'See "spell --help".' : `Did you mean "spell ${close}"?`
  throw new Failure('usage', `There is no command "spell ${name}". ${hint}`)
}
