import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** What `npm run package` made, as its list of hashes names it. */
export interface Archives {
  /** The list itself, as `sha256sum -c` reads it. */
  readonly list: string
  /** SHA-256 in lower-case hex by name. Names have no slash. */
  readonly hashes: ReadonlyMap<string, string>
}

export const listName = 'SHA256SUMS'

const line = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+-]*)$/
/** A list is a few hundred bytes; whatever is larger is something else. */
const maxListBytes = 64 * 1024

/** The folder's archives, read anew when its list has changed: they may be put there while the coordinator runs. */
export class ArchiveFolder {
  readonly #folder: string
  #known: { readonly mark: string; readonly archives: Archives } | undefined

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Undefined: there is no list. */
  async archives(): Promise<Archives | undefined> {
    const path = this.path(listName)
    const found = await stat(path).catch(() => undefined)
    if (!found?.isFile() || found.size > maxListBytes) return undefined
    const mark = `${found.ino} ${found.size} ${found.mtimeMs}`
    if (this.#known?.mark === mark) return this.#known.archives
    const archives = parseList(await readFile(path, 'utf8'))
    this.#known = { mark, archives }
    return archives
  }

  /** `name`: of the list, or the list's own. */
  path(name: string): string {
    return join(this.#folder, name)
  }
}

/** Lines that are none of a list are left out. */
export function parseList(text: string): Archives {
  const entries = text.split('\n').flatMap((each) => {
    const [, hash, name] = line.exec(each) ?? []
    return hash !== undefined && name !== undefined ? [[name, hash] as const] : []
  })
  return { list: entries.map(([name, hash]) => `${hash}  ${name}\n`).join(''), hashes: new Map(entries) }
}
