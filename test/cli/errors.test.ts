import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { projectRoot as root } from './support/spell.js'

// docs/errors.md against the sources: every sentence that an error is thrown with has a row.

const folders = [
  'cli',
  'coordinator/rpc',
  'coordinator/home',
  'coordinator/leader',
  'coordinator/people',
  'spellfs',
]
/** Said to agents and between our own programs; no user and no client sees them. */
const internal =
  /home\/(?!home-channel|stores)|link|node-call|node-endpoint|node-handlers|outbox|manifest|disk-errors|supervisor-main/
const throwing =
  /new (?:Failure|RpcError)\(\s*(?:'[A-Za-z_]+'|[\w.]+),\s*(['"`])|new InvalidArgumentError\((['"`])/g
/** Files that make the words of an error before it is thrown, or after. */
const wording = /^cli\/(?:code\/|explain|follow\/follow|cluster\/plan-file)/
const making = /(?:\breturn|\bsentence(?::| =)|\?)\s*(['"`])/g

test('every sentence of an error has a row in docs/errors.md', (t) => {
  const page = normal(readFileSync(join(root, 'docs/errors.md'), 'utf8'))
  const missing = folders
    .flatMap(sources)
    .filter((file) => !internal.test(file.slice(root.length + 1)))
    .flatMap((file) => sentencesOf(file).map((sentence) => ({ file, sentence })))
    .filter(({ sentence }) => /[a-z]{3}/.test(sentence) && !page.includes(normal(sentence)))
    .map(({ file, sentence }) => `${file.slice(root.length + 1)}: ${sentence}`)
  t.deepEqual(missing, [])
})

function sources(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(root, folder, name))
}

function sentencesOf(file: string): readonly string[] {
  const source = readFileSync(file, 'utf8')
  const thrown = literalsBehind(throwing, source)
  if (!wording.test(file.slice(root.length + 1))) return thrown
  return [...thrown, ...literalsBehind(making, source).filter((text) => / .* /.test(text))]
}

function literalsBehind(pattern: RegExp, source: string): readonly string[] {
  return [...source.matchAll(pattern)].map((found) =>
    literal(source, found.index + found[0].length, found[0].at(-1) ?? ''),
  )
}

/** The text of a string literal from behind its opening quote, `…` for each hole. */
function literal(source: string, start: number, quote: string): string {
  let text = ''
  for (let at = start; at < source.length; at++) {
    const letter = source[at] ?? ''
    if (letter === quote) return text
    if (letter === '\\') text += source[++at] === 'n' ? ' ' : (source[at] ?? '')
    else if (quote === '`' && source.startsWith('${', at)) {
      at = behindHole(source, at + 2)
      text += '…'
    } else text += letter
  }
  return text
}

function behindHole(source: string, start: number): number {
  let depth = 1
  let at = start
  for (; depth > 0 && at < source.length; at++) {
    if (source[at] === '{') depth += 1
    else if (source[at] === '}') depth -= 1
    else if (source[at] === '`') while (source[++at] !== '`' && at < source.length);
  }
  return at - 1
}

/** Words alone: how a table must be escaped, and where a line breaks, makes no difference. */
/** Holes that nothing is between count as one. */
function normal(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9…]+/g, ' ')
    .replaceAll(/…(?: ?…)+/g, '…')
    .trim()
}
