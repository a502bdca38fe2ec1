import type { FileEntry } from '../proto/model/files.js'
import { comparePaths, type ManifestEntry } from './manifest.js'

export interface ListingOptions {
  /** Below this path of the manifest; empty for its root. */
  readonly path: string
  /** Every file and link below, without directories, instead of one level. */
  readonly recursive: boolean
  /** Put before every path, such as `runs/7/`. */
  readonly head: string
}

/**
 * What a listing of `path` shows: a file or link itself, or what is directly below a directory, with the sizes of all
 * below. Ordered by path. undefined: nothing is there (the root of a manifest is always there).
 */
export function listManifest(
  entries: readonly ManifestEntry[],
  { path, recursive, head }: ListingOptions,
): readonly FileEntry[] | undefined {
  const self = path === '' ? undefined : entryAt(entries, path)
  if (self) return [fileEntry(self, head)]
  const below = entriesBelow(entries, path)
  if (below.length === 0) return path === '' ? [] : undefined
  if (recursive) return below.map((entry) => fileEntry(entry, head))
  return oneLevel(below, path === '' ? 0 : path.length + 1, head)
}

export function entryAt(entries: readonly ManifestEntry[], path: string): ManifestEntry | undefined {
  const entry = entries[firstNotBefore(entries, path)]
  return entry?.path === path ? entry : undefined
}

/** All entries below a directory, which stand beside one another in the order of paths; all for an empty path. */
export function entriesBelow(entries: readonly ManifestEntry[], path: string): readonly ManifestEntry[] {
  if (path === '') return entries
  // '0' is the character after '/'.
  return entries.slice(firstNotBefore(entries, `${path}/`), firstNotBefore(entries, `${path}0`))
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

function oneLevel(below: readonly ManifestEntry[], start: number, head: string): readonly FileEntry[] {
  const found = new Map<string, FileEntry>()
  for (const entry of below) {
    const slash = entry.path.indexOf('/', start)
    const shown = fileEntry(entry, head)
    if (slash < 0) {
      found.set(entry.path, shown)
      continue
    }
    const directory = entry.path.slice(0, slash)
    const before = found.get(directory)
    found.set(
      directory,
      directoryEntry(
        head + directory,
        (before?.sizeBytes ?? 0) + shown.sizeBytes,
        Math.max(before?.modifiedAtMs ?? 0, shown.modifiedAtMs),
      ),
    )
  }
  return [...found.values()].sort((a, b) => comparePaths(a.path, b.path))
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
