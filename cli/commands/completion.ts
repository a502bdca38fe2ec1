import type { Command } from 'commander'
import type { Entry } from '../command-file.js'
import { define } from '../define.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'

const examples = `
Examples:
  source <(spell completion bash)
  spell completion bash > /etc/bash_completion.d/spell
`

export function build(world: World, _args: readonly string[], all: readonly Entry[]): Command {
  return define(world, 'completion', 'Print a completion script for a shell.')
    .argument('<shell>', 'bash')
    .addHelpText('after', examples)
    .action(async (shell: string) => {
      if (shell !== 'bash')
        throw new Failure('usage', `There is no completion for ${shell} yet, only for bash.`)
      world.stdout.write(script(await wordsOfAll(world, all)))
    })
}

/** What may follow `spell`, `spell project`, `spell project create` …: commands and options. */
async function wordsOfAll(
  world: World,
  commands: readonly Entry[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const words = new Map<string, readonly string[]>()
  const names = commands.map((entry) => entry.name)
  words.set('', [...names, 'help', '--help', '--version', '--context'])
  words.set('help', names)
  for (const entry of commands)
    collectWords(words, entry.name, (await entry.load()).build(world, [], commands))
  return words
}

function collectWords(words: Map<string, readonly string[]>, path: string, command: Command): void {
  const shown = command.options.filter((option) => !option.hidden)
  const options = shown.flatMap((option) => [option.short, option.long]).filter((flag) => flag !== undefined)
  words.set(path, [...command.commands.map((each) => each.name()), ...options, '--help'])
  for (const each of command.commands) collectWords(words, `${path} ${each.name()}`, each)
}

/** Walks the words typed so far as deep as they name commands, then offers what may follow; else files. */
function script(words: ReadonlyMap<string, readonly string[]>): string {
  const cases = [...words].map(([path, each]) => `    '${path}') words='${each.join(' ')}' ;;`)
  const paths = [...words.keys()].filter((path) => path !== '')
  return `# bash completion for spell
_spell() {
  local current=\${COMP_WORDS[COMP_CWORD]} path='' next i words=''
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      --) COMPREPLY=(); return ;;
      -*) continue ;;
    esac
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case $next in
${paths.map((path) => `      '${path}') path=$next ;;`).join('\n')}
    esac
  done
  case $path in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -o bashdefault -F _spell spell
`
}
