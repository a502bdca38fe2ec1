import type { FileEntry } from '../proto/model/files.js'
import { comparePaths, type ManifestEntry } from './manifest.js'

export interface ListingOptions {
  /** Below this path of the manifest; empty for its root. */
  readonly path: string
  /** Every file and link below, without directories, instead of one level. */
  readonly recursive: boolean
  /** Put before every path, such as `runs/7/`. */
  readonly head: string
  /** Only what comes behind this path, head included, as a page before ended with it; undefined: from the first on. */
  readonly after: string | undefined
}

/**
 * What a listing of `path` shows: a file or link itself, or what is directly below a directory, with the sizes of all
 * below. Ordered by path, and made as it is asked for, so that a page costs what it shows. undefined: nothing is there (the
 * root of a manifest is always there).
 */
export function listManifest(
  entries: readonly ManifestEntry[],
  { path, recursive, head, after }: ListingOptions,
): Iterable<FileEntry> | undefined {
  const self = path === '' ? undefined : entryAt(entries, path)
  const below = self ? [self] : entriesBelow(entries, path)
  if (below.length === 0 && path !== '') return undefined
  const level = self || recursive ? undefined : path === '' ? 0 : path.length + 1
  return listFrom(below, firstBehind(below, after?.slice(head.length)), level, head)
}

export function entryAt(entries: readonly ManifestEntry[], path: string): ManifestEntry | undefined {
  const entry = entries[firstNotBefore(entries, path)]
  return entry?.path === path ? entry : undefined
}

/** All entries below a directory, which stand beside one another in the order of paths; all for an empty path. */
export function entriesBelow(entries: readonly ManifestEntry[], path: string): readonly ManifestEntry[] {
  if (path === '') return entries
  return entries.slice(firstNotBefore(entries, `${path}/`), firstNotBefore(entries, behindAll(path)))
}

export function fileEntry(entry: ManifestEntry, head: string): FileEntry {
  const link = entry.kind === 'link'
  return {
    path: head + entry.path,
    kind: entry.kind,
    sizeBytes: link ? 0 : entry.sizeBytes,
    modifiedAtMs: entry.modifiedAtMs,
    linkTarget: link ? entry.target : '',
    mode: link ? 0o777 : entry.mode,
    runUnfinished: false,
  }
}

export function directoryEntry(path: string, sizeBytes: number, modifiedAtMs: number): FileEntry {
  return {
    path: `${path}/`,
    kind: 'directory',
    sizeBytes,
    modifiedAtMs,
    linkTarget: '',
    mode: 0o755,
    runUnfinished: false,
  }
}

/** Where to go on behind this path; behind a directory's, which has a slash at its end, all below it is passed. */
function firstBehind(entries: readonly ManifestEntry[], after: string | undefined): number {
  if (after === undefined) return 0
  if (after.endsWith('/')) return firstNotBefore(entries, behindAll(after.slice(0, -1)))
  const index = firstNotBefore(entries, after)
  return entries[index]?.path === after ? index + 1 : index
}

/**
 * `level`: where the names begin that are listed, so that one directory stands for all that it holds; undefined: every
 * entry stands for itself.
 */
function* listFrom(
  entries: readonly ManifestEntry[],
  start: number,
  level: number | undefined,
  head: string,
): Iterable<FileEntry> {
  let index = start
  for (let entry = entries[index]; entry; entry = entries[index]) {
    const slash = level === undefined ? -1 : entry.path.indexOf('/', level)
    if (slash < 0) {
      yield fileEntry(entry, head)
      index += 1
      continue
    }
    const directory = entry.path.slice(0, slash)
    const end = firstNotBefore(entries, behindAll(directory))
    yield summedUp(head + directory, entries, index, end)
    index = end
  }
}

/** A directory with the entries [start, end). */
function summedUp(path: string, entries: readonly ManifestEntry[], start: number, end: number): FileEntry {
  let sizeBytes = 0
  let modifiedAtMs = 0
  for (let index = start; index < end; index += 1) {
    const entry = entries[index]
    if (entry?.kind === 'file') sizeBytes += entry.sizeBytes
    modifiedAtMs = Math.max(modifiedAtMs, entry?.modifiedAtMs ?? 0)
  }
  return directoryEntry(path, sizeBytes, modifiedAtMs)
}

/** The least text that comes behind every path below a directory: '0' is the character after '/'. */
function behindAll(directory: string): string {
  return `${directory}0`
}

function firstNotBefore(entries: readonly ManifestEntry[], path: string): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = entries[middle]
    if (entry && comparePaths(entry.path, path) < 0) low = middle + 1
    else high = middle
  }
  return low
}
