import { printableName } from './names.js'

export interface NamedOutput {
  /** From `/spell` on, as it lies on disk. */
  readonly path: string
  /** Relative to `runs/<id>`. */
  readonly savedAs: string
}

/**
 * Where each output goes: relative to the repository's root, else to `/spell`. Where two would get one name, or one
 * would be a file where another needs a folder, the repository's keeps it and the other goes below `spell/`, or where that
 * is taken too below `spell-2/` and so on. Also returns a line for every output that did not get its own name.
 */
export function nameOutputs(
  paths: readonly string[],
  repositoryName: string | undefined,
): { readonly named: readonly NamedOutput[]; readonly lines: readonly string[] } {
  const head = repositoryName === undefined ? undefined : `${repositoryName}/`
  const inside = head === undefined ? [] : paths.filter((path) => path.startsWith(head))
  const outside = head === undefined ? paths : paths.filter((path) => !path.startsWith(head))
  const taken = new Names()
  const lines: string[] = []
  const name = (path: string, wanted: string): NamedOutput => {
    let savedAs = printableName(wanted)
    if (savedAs !== wanted)
      lines.push(`${quoted(path)} is not named in UTF-8 and is saved as ${quoted(savedAs)}.`)
    if (!taken.isFree(savedAs)) savedAs = taken.aside(savedAs)
    if (savedAs !== printableName(wanted))
      lines.push(`${quoted(path)} is saved as ${quoted(savedAs)}: another output has its name.`)
    taken.take(savedAs)
    return { path, savedAs }
  }
  // Names that are text come first, so that no other takes theirs.
  const named = [
    inside.map((path) => [path, path.slice(head?.length ?? 0)] as const),
    outside.map((path) => [path, path] as const),
  ]
    .flatMap((group) =>
      [...group].sort(([a], [b]) => Number(a !== printableName(a)) - Number(b !== printableName(b))),
    )
    .map(([path, wanted]) => name(path, wanted))
  return { named, lines }
}

/** For a line that a person reads. */
export function quoted(path: string): string {
  const shown = printableName(path)
  return /^[\w./+@:,=-]+$/.test(shown) ? shown : JSON.stringify(shown)
}

class Names {
  readonly #files = new Set<string>()
  readonly #folders = new Set<string>()
  /** Only ever grows: however a run names its files, all together cost no more tries than there are files. */
  #lastAside = 2

  isFree(path: string): boolean {
    if (this.#files.has(path) || this.#folders.has(path)) return false
    return foldersOf(path).every((folder) => !this.#files.has(folder))
  }

  aside(path: string): string {
    let name = `spell/${path}`
    while (!this.isFree(name)) {
      name = `spell-${this.#lastAside}/${path}`
      if (!this.isFree(name)) this.#lastAside += 1
    }
    return name
  }

  take(path: string): void {
    this.#files.add(path)
    for (const folder of foldersOf(path)) this.#folders.add(folder)
  }
}

function foldersOf(path: string): readonly string[] {
  const folders: string[] = []
  for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1))
    folders.push(path.slice(0, slash))
  return folders
}
