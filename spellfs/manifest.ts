import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { invariant, RpcError } from '../common/errors.js'
import { pathTrouble } from './paths.js'

/**
 * What an attempt saved. Written as JSON with one entry a line, fields in the order below, entries ordered by path (by
 * UTF-16 code units), so that the same outputs give the same bytes; the sha-256 of these bytes is the manifest's name in
 * the run's record.
 */
export type ManifestEntry = ManifestFile | ManifestLink

export interface ManifestFile {
  readonly path: string
  readonly kind: 'file'
  readonly sizeBytes: number
  /** Permission bits, at most 0o777. */
  readonly mode: number
  readonly modifiedAtMs: number
  /** Hex. */
  readonly sha256: string
}

/** A symbolic link. It is kept here only: the store holds nothing that could be followed. */
export interface ManifestLink {
  readonly path: string
  readonly kind: 'link'
  readonly target: string
  readonly modifiedAtMs: number
}

const head = '{"v":1,"entries":[\n'
const tail = '\n]}\n'

/** The manifest's bytes. The entries may come in any order; two of one path are a bug. */
export function encodeManifest(entries: readonly ManifestEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => comparePaths(a.path, b.path))
  for (const [index, entry] of sorted.entries())
    invariant(entry.path !== sorted[index - 1]?.path, `a manifest has ${JSON.stringify(entry.path)} once`)
  return Buffer.from(`${head}${sorted.map(encodeEntry).join(',\n')}${tail}`)
}

/** The event loop waits at most for so many entries of a manifest: a run may have saved two million. */
export const entriesPerTurn = 1_000

/** Reads and checks a manifest; entries come back ordered by path. INVALID_ARGUMENT when it is not one of ours. */
export async function decodeManifest(bytes: Uint8Array): Promise<readonly ManifestEntry[]> {
  const entries: ManifestEntry[] = []
  const refuseFileAsFolder = fileAsFolderCheck()
  for (const line of linesOf(bytes)) {
    const entry = decodeEntry(parseJson(line))
    const before = entries.at(-1)
    if (before && comparePaths(before.path, entry.path) >= 0) throw refuse('its entries are not ordered')
    refuseFileAsFolder(entry.path)
    entries.push(entry)
    if (entries.length % entriesPerTurn === 0) await setImmediate()
  }
  return entries
}

/** Order of a manifest's and a listing's entries. */
export function comparePaths(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function encodeEntry(entry: ManifestEntry): string {
  const { path, kind, modifiedAtMs } = entry
  if (kind === 'link') return JSON.stringify({ path, kind, target: entry.target, modifiedAtMs })
  const { sizeBytes, mode, sha256 } = entry
  return JSON.stringify({ path, kind, sizeBytes, mode, modifiedAtMs, sha256 })
}

function decodeEntry(value: unknown): ManifestEntry {
  if (!isObject(value) || typeof value.path !== 'string') throw refuse('an entry has no path')
  const { path, kind, sizeBytes, mode, modifiedAtMs, sha256, target } = value
  const trouble = pathTrouble(path)
  if (trouble) throw refuse(`the path ${JSON.stringify(path)} is refused: ${trouble}`)
  if (!isCount(modifiedAtMs)) throw refuse(`the time of ${JSON.stringify(path)} is wrong`)
  if (kind === 'link' && typeof target === 'string') return { path, kind, target, modifiedAtMs }
  if (kind !== 'file' || !isCount(sizeBytes) || !isCount(mode) || mode > 0o777)
    throw refuse(`the entry of ${JSON.stringify(path)} is wrong`)
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
    throw refuse(`the hash of ${JSON.stringify(path)} is wrong`)
  return { path, kind, sizeBytes, mode, modifiedAtMs, sha256 }
}

/** To be asked of each path in their order, in which a folder's own name comes before all that is in it. */
function fileAsFolderCheck(): (path: string) => void {
  const paths = new Set<string>()
  const checked = new Set<string>()
  return (path) => {
    paths.add(path)
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const folder = path.slice(0, slash)
      if (checked.has(folder)) break
      checked.add(folder)
      if (paths.has(folder)) throw refuse(`${JSON.stringify(folder)} is both a file and a folder`)
    }
  }
}

/** The lines between head and tail, each an entry, without the commas between them. */
function* linesOf(bytes: Uint8Array): Iterable<Uint8Array> {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const end = all.length - tail.length
  const isFramed = all.subarray(0, head.length).equals(Buffer.from(head))
  if (!isFramed || end < head.length || !all.subarray(end).equals(Buffer.from(tail)))
    throw refuse('this version does not know its form')
  for (let start = head.length; start < end; ) {
    const comma = all.indexOf(',\n', start)
    const lineEnd = comma < 0 || comma > end ? end : comma
    yield all.subarray(start, lineEnd)
    start = lineEnd + 2
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function parseJson(line: Uint8Array): unknown {
  try {
    return JSON.parse(utf8.decode(line))
  } catch (error) {
    throw new RpcError('INVALID_ARGUMENT', 'The manifest is refused: an entry is not JSON in UTF-8.', {
      cause: error,
    })
  }
}

function refuse(why: string): RpcError {
  return new RpcError('INVALID_ARGUMENT', `The manifest is refused: ${why}.`)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
