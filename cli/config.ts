import { mkdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../common/errors.js'
import { replaceFile } from './config-file.js'
import { Failure } from './failure.js'

// The client's `config`: YAML, written 0600 and replaced as a whole. Keys that this version does not know, and the
// user's comments, stay as they are. YAML is loaded only where the file is read or written.

/** How to reach one cluster, and as whom. */
export interface Context {
  readonly name: string
  /** `host:port` of coordinators' user ports; any one is enough. */
  readonly addresses: readonly string[]
  /** The cluster's CA in PEM; empty: the system's own authorities. */
  readonly ca: string
  readonly token: string
  readonly userName: string
  /** Folder of the cluster, when it is one of this machine that `spell cluster up` made. */
  readonly dir?: string
}

export interface ClientConfig {
  readonly userName: string | undefined
  readonly email: string | undefined
  /** Outside contexts, as the original kept it; used where a context has none. */
  readonly token: string | undefined
  readonly owner: string | undefined
  readonly includeUncommitted: boolean
  /** The run's exit code is the program's. */
  readonly exitCode: boolean
  readonly currentContext: string | undefined
  readonly contexts: readonly Context[]
}

/** A file that is not there is an empty config. Throws Failure('configuration') on one that cannot be understood. */
export async function readConfig(directory: string): Promise<ClientConfig> {
  const path = configPath(directory)
  const text = readText(path)
  if (text === undefined) return configFrom({}, path)
  const { parse } = await import('yaml')
  let value: unknown
  try {
    value = parse(text) ?? {}
  } catch (error) {
    throw new Failure('configuration', `Could not read ${path}: ${firstLine(messageOf(error))}`, {
      cause: error,
    })
  }
  return configFrom(value, path)
}

/** Adds the context or replaces the one of its name. It becomes the current one if `use` says so. */
export async function addContext(
  directory: string,
  context: Context,
  use: 'always' | 'if-none' = 'if-none',
): Promise<void> {
  const { name, addresses, ca, token, userName, dir } = context
  const entry = { addresses, ca, token, user_name: userName, ...(dir !== undefined && { dir }) }
  await changeConfig(directory, (document) => {
    document.setIn(['contexts', name], document.createNode(entry))
    const current = document.get('current_context')
    if (use === 'always' || !current) document.set('current_context', name)
  })
}

/** Says whether there was one. Removing the current context leaves none current. */
export async function removeContext(directory: string, name: string): Promise<boolean> {
  let found = false
  await changeConfig(directory, (document) => {
    found = document.deleteIn(['contexts', name])
    if (document.get('current_context') === name) document.delete('current_context')
  })
  return found
}

export async function useContext(directory: string, name: string): Promise<void> {
  await changeConfig(directory, (document) => document.set('current_context', name))
}

/** Forgets a token wherever it is kept, in contexts and outside of them; others stay. */
export async function forgetToken(directory: string, token: string): Promise<void> {
  const config = await readConfig(directory)
  const keepers = config.contexts.filter((context) => context.token === token)
  const paths = keepers.map(({ name }) => ['contexts', name, 'token'])
  if (config.token === token) paths.push(['token'])
  if (paths.length === 0) return
  await changeConfig(directory, (document) => {
    // Looked at once more: somebody may have logged in meanwhile.
    for (const path of paths) if (String(document.getIn(path)) === token) document.deleteIn(path)
  })
}

/** The named context, else the current one, else the only one. Undefined: there is none to speak of. */
export function currentContext(config: ClientConfig, name?: string): Context | undefined {
  const wanted = name ?? config.currentContext
  if (wanted === undefined) return config.contexts.length === 1 ? config.contexts[0] : undefined
  const found = config.contexts.find((context) => context.name === wanted)
  if (found) return found
  const names = config.contexts.map((context) => context.name)
  const known = names.length === 0 ? 'there are none yet' : `there are: ${names.join(', ')}`
  throw new Failure('configuration', `No context "${wanted}"; ${known}. See "spell context list".`)
}

export function configPath(directory: string): string {
  return join(directory, 'config')
}

type YamlDocument = import('yaml').Document

async function changeConfig(directory: string, change: (document: YamlDocument) => void): Promise<void> {
  makeDirectory(directory)
  const path = realPath(configPath(directory))
  const { parseDocument, isMap } = await import('yaml')
  await replaceFile(path, () => {
    const document = parseDocument(readText(path) ?? '')
    const [mistake] = document.errors
    if (mistake) throw new Failure('configuration', `Could not read ${path}: ${firstLine(mistake.message)}`)
    if (document.contents === null) document.contents = document.createNode({}) as never
    if (!isMap(document.contents)) throw notMappings(path, 'it')
    if (document.has('contexts') && !isMap(document.get('contexts'))) document.delete('contexts')
    change(document as unknown as YamlDocument)
    return document.toString({ lineWidth: 0 })
  })
}

function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new Failure('configuration', `Could not write ${directory}: ${messageOf(error)}`, { cause: error })
  }
}

function configFrom(value: unknown, path: string): ClientConfig {
  if (!isRecord(value)) throw notMappings(path, 'it')
  const contexts = value.contexts ?? {}
  if (!isRecord(contexts)) throw notMappings(path, 'contexts')
  return {
    userName: text(value, 'user_name', path),
    email: text(value, 'email', path),
    token: text(value, 'token', path),
    owner: text(value, 'owner', path),
    includeUncommitted: flag(value, 'include_uncommitted', path) ?? true,
    exitCode: flag(value, 'exit_code', path) ?? false,
    currentContext: text(value, 'current_context', path),
    contexts: Object.entries(contexts).map(([name, entry]) => contextFrom(name, entry, path)),
  }
}

function contextFrom(name: string, entry: unknown, path: string): Context {
  if (!isRecord(entry)) throw notMappings(path, `contexts.${name}`)
  const addresses = entry.addresses
  if (!Array.isArray(addresses) || !addresses.every((address) => typeof address === 'string')) {
    throw new Failure('configuration', `In ${path}, contexts.${name}.addresses must be a list of host:port.`)
  }
  const dir = text(entry, 'dir', path)
  return {
    name,
    addresses,
    ca: text(entry, 'ca', path) ?? '',
    token: text(entry, 'token', path) ?? '',
    userName: text(entry, 'user_name', path) ?? '',
    ...(dir !== undefined && { dir }),
  }
}

function text(values: Readonly<Record<string, unknown>>, key: string, path: string): string | undefined {
  const value = values[key] ?? undefined
  if (typeof value === 'number') return String(value)
  if (value === undefined || typeof value === 'string') return value || undefined
  throw new Failure('configuration', `In ${path}, ${key} must be a text.`)
}

function flag(values: Readonly<Record<string, unknown>>, key: string, path: string): boolean | undefined {
  const value = values[key] ?? undefined
  if (value === undefined || typeof value === 'boolean') return value
  throw new Failure('configuration', `In ${path}, ${key} must be true or false.`)
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notMappings(path: string, what: string): Failure {
  return new Failure('configuration', `In ${path}, ${what} must be a mapping of names to values.`)
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Failure('configuration', `Could not read ${path}: ${messageOf(error)}`, { cause: error })
  }
}

/** Where the file really is, for people who keep it elsewhere behind a link. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

function firstLine(sentences: string): string {
  return sentences.split('\n')[0] ?? ''
}
