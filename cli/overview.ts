import { commandNames } from './command-names.js'

/** What `spell` alone and `spell --help` print. */
export function overview(): string {
  const names = Object.entries(commandNames)
  const width = Math.max(...names.map(([name]) => name.length))
  const rows = names.map(([name, summary]) => `  ${name.padEnd(width)}  ${summary}`)
  return `Usage: spell [--context NAME] COMMAND [OPTIONS] [ARGS]

Run commands on the machines of a cluster.

Commands:
${rows.join('\n')}

Options:
  --context NAME  speak to this cluster instead of the current one
  --version       print the version
  -h, --help      print help; "spell help COMMAND" for a command

Examples:
  spell run "python train.py" -t V100
  spell ps
  spell logs -f 7
`
}
