import { overview } from './overview.js'
import { version } from './version.js'

/** What `--version`, `--help`, `help` and no word at all are answered with: it needs nothing but itself. */
export function instantAnswer(argv: readonly string[]): string | undefined {
  const [first, second] = argv
  if (first === '--version' || first === '-V') return `spell ${version}\n`
  if (first === undefined || first === '--help' || first === '-h') return overview()
  return first === 'help' && second === undefined ? overview() : undefined
}
