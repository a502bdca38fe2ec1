import { RpcError } from '../common/errors.js'

/** A path in SpellFS, taken apart. `path` is what follows the head and its name; empty for all of it. */
export type ResourcePath =
  | { readonly kind: 'heads' }
  | { readonly kind: 'runs' }
  | { readonly kind: 'run'; readonly runId: number; readonly path: string }
  | { readonly kind: 'uploads' }
  | { readonly kind: 'upload'; readonly name: string; readonly path: string }
  | { readonly kind: 'public'; readonly path: string }

/** Longer paths are neither saved nor stored: with a store's own folder before it a path must stay below PATH_MAX. */
export const longestPathBytes = 3000
const longestSegmentBytes = 255

/**
 * Reads `runs/7/model`, `uploads/name/…`, `public/…`; a leading `resources/` and trailing slashes are accepted, an empty
 * text means the heads. INVALID_ARGUMENT for bad syntax, NOT_FOUND for another head.
 */
export function parseResourcePath(text: string): ResourcePath {
  const segments = trimmed(text)
  if (segments.length === 0) return { kind: 'heads' }
  const trouble = text.startsWith('/') ? 'it begins with a slash' : pathTrouble(segments.join('/'))
  if (trouble) throw new RpcError('INVALID_ARGUMENT', `${JSON.stringify(text)} is no resource: ${trouble}.`)
  const [head, name, ...rest] = segments
  const path = rest.join('/')
  if (head === 'public') return { kind: 'public', path: segments.slice(1).join('/') }
  if (head === 'uploads') return name === undefined ? { kind: 'uploads' } : { kind: 'upload', name, path }
  if (head === 'runs') {
    if (name === undefined) return { kind: 'runs' }
    if (/^[1-9][0-9]{0,14}$/.test(name)) return { kind: 'run', runId: Number(name), path }
  }
  throw new RpcError(
    'NOT_FOUND',
    `There is no resource ${JSON.stringify(text)}: resources begin with runs/<id>, uploads/<name> or public.`,
  )
}

/** Why this cannot be a relative path below a root; undefined when it can. */
export function pathTrouble(path: string): string | undefined {
  if (path === '') return 'it is empty'
  if (path.includes('\0')) return 'it holds a NUL'
  if (/\p{Surrogate}/u.test(path)) return 'it is not Unicode'
  if (Buffer.byteLength(path) > longestPathBytes) return `it is longer than ${longestPathBytes} bytes`
  for (const segment of path.split('/')) {
    if (segment === '') return 'it holds an empty segment'
    if (segment === '.' || segment === '..') return `it holds the segment ${segment}`
    if (Buffer.byteLength(segment) > longestSegmentBytes)
      return `a segment is longer than ${longestSegmentBytes} bytes`
  }
  return undefined
}

/** Where an attempt's outputs lie in the store: the first attempt's under the name that users see. */
export function outputsPrefix(runId: number, attempt: number): string {
  return attempt === 1 ? `runs/${runId}` : `runs/${runId}.${attempt}`
}

export function manifestName(runId: number, attempt: number): string {
  return `.spell/manifests/${runId}.${attempt}.json`
}

/** Where the object that requests name `code/<sha256>` lies. INVALID_ARGUMENT for another name. */
export function requestedObjectName(name: string): string {
  if (!/^code\/[0-9a-f]{64}$/.test(name))
    throw new RpcError(
      'INVALID_ARGUMENT',
      `${JSON.stringify(name)} is no object: they are named code/<sha256>.`,
    )
  return `.spell/objects/${name}`
}

function trimmed(text: string): string[] {
  const segments = text.split('/').filter((segment) => segment !== '')
  return segments[0] === 'resources' ? segments.slice(1) : segments
}
