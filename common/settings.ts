import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { messageOf } from './errors.js'

// The settings of a program: a JSON file, over it the environment, over that flags. A program's schema is the only list
// of what there is: the names of flags and variables follow from it. `etcd.caFile` in the file is `--etcd.ca-file FILE`
// as a flag and `<PREFIX>_ETCD_CA_FILE` in the environment. Lists are separated by commas; objects that have no fixed
// fields are JSON.

export interface SettingsSources {
  /** What stands behind the program's name: `--settings FILE --user-listen 0.0.0.0:7000`. */
  readonly argv: readonly string[]
  /** Of this program's variables: `SPELL_COORDINATOR`. */
  readonly prefix: string
  /** The process's own when left out. */
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** Every mistake at once, a line each. A main program prints the message and exits with code 2. */
export class SettingsError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(`These settings can't be used:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`)
    this.name = 'SettingsError'
    this.mistakes = mistakes
  }
}

/** Throws SettingsError. */
export function loadSettings<Schema extends z.ZodType>(
  schema: Schema,
  sources: SettingsSources,
): z.output<Schema> {
  const mistakes: string[] = []
  const leaves = leavesOf(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, [])
  const flags = readFlags(sources.argv, leaves, mistakes)
  const environment = readEnvironment(sources, leaves)
  const tree = readFile(flags.file ?? environment.file, mistakes)
  for (const given of [...environment.values, ...flags.values]) place(tree, given, mistakes)
  const from = new Map(
    [...environment.values, ...flags.values].map((given) => [key(given.leaf.path), given.source]),
  )
  const parsed = schema.safeParse(tree)
  if (!parsed.success) mistakes.push(...parsed.error.issues.flatMap((issue) => explain(issue, tree, from)))
  if (mistakes.length > 0 || !parsed.success) throw new SettingsError(mistakes)
  return parsed.data
}

interface JsonSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly anyOf?: readonly JsonSchema[]
}

/** One value that can be set: where it stands and how its text is read. */
interface Leaf {
  readonly path: readonly string[]
  readonly type: string
}

interface Given {
  readonly leaf: Leaf
  readonly text: string
  /** `--user-listen` or `SPELL_COORDINATOR_USER_LISTEN`. */
  readonly source: string
}

type Tree = Record<string, unknown>

function leavesOf(schema: JsonSchema, path: readonly string[]): readonly Leaf[] {
  if (schema.properties)
    return Object.entries(schema.properties).flatMap(([name, inner]) => leavesOf(inner, [...path, name]))
  return [{ path, type: schema.type ?? schema.anyOf?.[0]?.type ?? 'string' }]
}

const words = (name: string) => name.replace(/[A-Z]+/g, (capitals) => `-${capitals.toLowerCase()}`)
const key = (path: readonly PropertyKey[]) => path.join('.')
const flagName = (leaf: Leaf) => `--${leaf.path.map(words).join('.')}`
const variableName = (prefix: string, leaf: Leaf) =>
  `${prefix}_${leaf.path.map(words).join('_').replaceAll('-', '_').toUpperCase()}`

function readFlags(argv: readonly string[], leaves: readonly Leaf[], mistakes: string[]) {
  const known = new Map(leaves.map((leaf) => [flagName(leaf), leaf]))
  const values: Given[] = []
  let file: string | undefined
  for (let at = 0; at < argv.length; at++) {
    const [source = '', inline] = split(argv[at] ?? '')
    const leaf = known.get(source)
    if (!leaf && source !== '--settings') {
      mistakes.push(`${source}: there is no such setting`)
      continue
    }
    const text = inline ?? argv[++at]
    if (text === undefined) mistakes.push(`${source}: needs a value`)
    else if (leaf) values.push({ leaf, text, source })
    else file = text
  }
  return { values, file }
}

function split(flag: string): readonly [string, string | undefined] {
  const at = flag.indexOf('=')
  return at < 0 ? [flag, undefined] : [flag.slice(0, at), flag.slice(at + 1)]
}

function readEnvironment(sources: SettingsSources, leaves: readonly Leaf[]) {
  const environment = sources.environment ?? process.env
  const values = leaves.flatMap((leaf): Given[] => {
    const source = variableName(sources.prefix, leaf)
    const text = environment[source]
    return text === undefined ? [] : [{ leaf, text, source }]
  })
  return { values, file: environment[`${sources.prefix}_SETTINGS`] }
}

function readFile(file: string | undefined, mistakes: string[]): Tree {
  if (file === undefined) return {}
  try {
    const tree: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (typeof tree === 'object' && tree !== null && !Array.isArray(tree)) return tree as Tree
    mistakes.push(`${file}: holds no JSON object`)
  } catch (error) {
    mistakes.push(`${file}: ${messageOf(error)}`)
  }
  return {}
}

function place(tree: Tree, given: Given, mistakes: string[]): void {
  const value = read(given, mistakes)
  const path = given.leaf.path
  let inner = tree
  for (const name of path.slice(0, -1)) {
    const next = inner[name]
    const branch: Tree = typeof next === 'object' && next !== null ? { ...next } : {}
    inner[name] = branch
    inner = branch
  }
  inner[path.at(-1) ?? ''] = value
}

/** Text that is not of its type is left as it is: the schema complains about it in its place. */
function read(given: Given, mistakes: string[]): unknown {
  const { text, leaf, source } = given
  switch (leaf.type) {
    case 'number':
    case 'integer':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'array':
      return text === '' ? [] : text.split(',')
    case 'object':
      try {
        return JSON.parse(text)
      } catch {
        mistakes.push(`${source}: is not JSON`)
        return {}
      }
    default:
      return text
  }
}

function explain(issue: z.core.$ZodIssue, tree: Tree, from: ReadonlyMap<string, string>): readonly string[] {
  const name = key(issue.path)
  const source = from.get(name)
  const label = source === undefined ? name : `${name} (${source})`
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((unknown) => `${key([...issue.path, unknown])}: there is no such setting`)
  if (valueAt(tree, issue.path) === undefined) return [`${label}: is required`]
  return [`${label}: ${issue.message}`]
}

function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let value = tree
  for (const name of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[name]
  }
  return value
}
