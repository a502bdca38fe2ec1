import { commands } from './catalogue.js'

/** What `spell` alone and `spell --help` print. */
export function overview(): string {
  const width = Math.max(...commands.map((entry) => entry.name.length))
  const rows = commands.map((entry) => `  ${entry.name.padEnd(width)}  ${entry.summary}`)
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
