import type { Command, Option } from 'commander'
import { Failure } from '../failure.js'
import { nearest } from '../nearest.js'

// `spell run` takes its options wherever they stand before `--`, so `spell run pytest -v` gives -v to spell. This reads the
// words as commander will, only to know what a person should be told about it.

export interface Scan {
  /** Spell's options that stand behind an unquoted command, as they were written: `-v`, `-t V100`. */
  readonly taken: readonly string[]
  /** Their long names, such as `--machine-type`; of `-vt V100` the last one's. */
  readonly takenFlags: readonly string[]
  /** The same command line with the command behind `--`. */
  readonly literalForm: string
}

/** Throws Failure('usage') on an unknown option before `--`, and on one whose value is missing. */
export function scan(command: Command, args: readonly string[]): Scan {
  const words: string[] = []
  const taken: string[] = []
  const takenFlags: string[] = []
  let commandAt: number | undefined
  for (let at = 0; at < args.length; ) {
    const word = args[at] ?? ''
    if (word === '--') break
    if (!looksLikeOption(word)) {
      commandAt ??= at
      words.push(word)
      at += 1
      continue
    }
    const taking = optionsIn(command, word)
    if (!taking) throw unknownOption(command, word, literalForm(args, commandAt ?? at))
    const length = taking.wantsNext ? 2 : 1
    if (isUnquoted(words)) {
      taken.push(args.slice(at, at + length).join(' '))
      takenFlags.push(taking.option.long ?? '')
    }
    if (at + length > args.length) {
      throw missingValue(word, isUnquoted(words) ? literalForm(args, commandAt ?? at) : undefined)
    }
    at += length
  }
  return { taken, takenFlags, literalForm: literalForm(args, commandAt ?? args.length) }
}

/** One line for stderr; undefined when nothing was taken from behind the command. */
export function takenNote({ taken, literalForm }: Scan): string | undefined {
  if (taken.length === 0) return undefined
  const what =
    taken.length === 1 ? `${taken[0]} was taken as an option` : `${taken.join(', ')} were taken as options`
  return `Note: ${what} of spell. To give it to your command instead: ${literalForm}`
}

function looksLikeOption(word: string): boolean {
  return word.length > 1 && word.startsWith('-') && !/^-(\d+|\d*\.\d+)(e[+-]?\d+)?$/.test(word)
}

function isUnquoted(words: readonly string[]): boolean {
  return words.length > 1 || (words.length === 1 && !/\s/.test(words[0] ?? ''))
}

interface Taking {
  /** The last one, which is the only one that may have a value. */
  readonly option: Option
  /** The next word is its value. */
  readonly wantsNext: boolean
}

/** What a word made of known options takes; undefined for any other. */
function optionsIn(command: Command, word: string): Taking | undefined {
  const [flag = '', value] = splitAtEquals(word)
  if (word.startsWith('--')) {
    const option = find(command, flag)
    if (!option || (value !== undefined && !option.required)) return undefined
    return { option, wantsNext: option.required && value === undefined }
  }
  const option = find(command, word.slice(0, 2))
  if (!option) return undefined
  if (option.required) return { option, wantsNext: word.length === 2 }
  return word.length === 2 ? { option, wantsNext: false } : optionsIn(command, `-${word.slice(2)}`)
}

function find(command: Command, flag: string): Option | undefined {
  if (flag === '-h' || flag === '--help') return helpFlag
  return command.options.find((option) => option.short === flag || option.long === flag)
}

const helpFlag = { long: '--help', required: false } as Option

function splitAtEquals(word: string): readonly [string, string | undefined] {
  const at = word.indexOf('=')
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}

function missingValue(word: string, literalForm: string | undefined): Failure {
  const otherwise =
    literalForm === undefined
      ? ''
      : ` If it belongs to your command, put -- before the command: ${literalForm}`
  return new Failure('usage', `Option "${word}" needs a value.${otherwise}`)
}

function unknownOption(command: Command, word: string, literalForm: string): Failure {
  const [flag] = splitAtEquals(word)
  const flags = command.options.flatMap((option) => (option.hidden ? [] : [option.long ?? '']))
  const close = flag.startsWith('--') ? nearest(flag, flags) : undefined
  const meant = close === undefined ? '' : ` Did you mean ${close}?`
  return new Failure(
    'usage',
    `Unknown option "${flag}".${meant} If it belongs to your command, put -- before the command: ${literalForm}`,
  )
}

function literalForm(args: readonly string[], commandAt: number): string {
  const before = args.slice(0, commandAt).filter((word) => !word.startsWith('--context='))
  const end = args.indexOf('--', commandAt)
  const behind = end < 0 ? args.slice(commandAt) : [...args.slice(commandAt, end), ...args.slice(end + 1)]
  return ['spell', 'run', ...before.map(quoted), '--', ...behind.map(quoted)].join(' ')
}

/** A word as a shell must be given it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
