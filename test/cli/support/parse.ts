import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand, runOptions } from '../../../cli/run/options.js'
import { scan } from '../../../cli/run/scan.js'
import { gitCode, specFrom } from '../../../cli/run/spec.js'
import { clientSettings } from '../../../cli/settings.js'
import type { World } from '../../../cli/world.js'
import { systemClock } from '../../../common/clock.js'
import type { Code, RunSpec } from '../../../proto/model/run-spec.js'

const quiet = { write: () => true, columns: 100 } as unknown as NodeJS.WriteStream
const world: World = {
  settings: clientSettings({}),
  clock: systemClock,
  cwd: mkdtempSync(join(tmpdir(), 'spell-parsing-')),
  stdin: process.stdin,
  stdout: quiet,
  stderr: quiet,
  onInterrupt: () => () => undefined,
}
writeFileSync(
  join(world.cwd, 'requirements.txt'),
  '# requirements.txt\nsklearn\nimageio>=2,<3 ; python_version > "3"\n-r other.txt\n',
)
writeFileSync(join(world.cwd, 'broken.txt'), 'a == \n<<<<<<< HEAD\n')
writeFileSync(join(world.cwd, 'binary.txt'), Buffer.from([0, 255, 1]))
writeFileSync(join(world.cwd, 'environment.yml'), 'dependencies: [python]\n')

export interface Parsed extends Omit<RunSpec, 'code'> {
  readonly code: Code | undefined
  readonly taken: readonly string[]
  readonly takenFlags: readonly string[]
  readonly literalForm: string
  readonly flags: object
}

/** What `spell run` makes of these words, without anybody to send it to. */
export function parse(args: readonly string[]): Parsed {
  const command = runCommand(world)
  const { taken, takenFlags, literalForm } = scan(command, args)
  let words: readonly string[] = []
  command.action((given: readonly string[]) => {
    words = given
  })
  command.parse([...args], { from: 'user' })
  const options = runOptions(command)
  const spec = specFrom(words.join(' '), options, world.cwd)
  return { ...spec, code: gitCode(options), taken, takenFlags, literalForm, flags: options }
}

/** Splits a command line as printed in a manual: quotes, backslashes, and backslash-newlines. */
export function words(line: string): string[] {
  const found: string[] = []
  let word: string | undefined
  let quote = ''
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] ?? ''
    if (quote === '' && letter === '\\') {
      const next = line[++at] ?? ''
      if (next !== '\n') word = (word ?? '') + next
    } else if (quote === '"' && letter === '\\' && '"\\$`\n'.includes(line[at + 1] ?? '')) {
      const next = line[++at] ?? ''
      word = (word ?? '') + (next === '\n' ? '' : next)
    } else if (letter === quote) quote = ''
    else if (quote === '' && (letter === '"' || letter === "'")) {
      quote = letter
      word ??= ''
    } else if (quote === '' && /\s/.test(letter)) {
      if (word !== undefined) found.push(word)
      word = undefined
    } else word = (word ?? '') + letter
  }
  if (word !== undefined) found.push(word)
  return found
}
