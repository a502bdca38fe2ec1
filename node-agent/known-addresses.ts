import { readFile, rename, writeFile } from 'node:fs/promises'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'

/** Where coordinators are, `host:port` each: as the settings have it, and as last heard, which is kept on disk. */
export class KnownAddresses {
  readonly #given: readonly string[]
  readonly #file: string
  readonly #log: Log
  #heard: readonly string[] = []

  constructor(given: readonly string[], file: string, log: Log) {
    this.#given = given
    this.#file = file
    this.#log = log
  }

  /** A damaged file counts as none: the settings name where to begin, and the next hello brings another list. */
  async load(): Promise<void> {
    try {
      const kept: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      if (Array.isArray(kept)) this.#heard = kept.map(String)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn('The addresses of coordinators can not be read', this.#about(error))
    }
  }

  /** What was heard comes first: it is newer. */
  all(): readonly string[] {
    return [...new Set([...this.#heard, ...this.#given])]
  }

  async heard(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0 || String(addresses) === String(this.#heard)) return
    this.#heard = addresses
    try {
      await writeFile(`${this.#file}.new`, JSON.stringify(addresses))
      await rename(`${this.#file}.new`, this.#file)
    } catch (error) {
      this.#log.warn('The addresses of coordinators can not be kept', this.#about(error))
    }
  }

  #about(error: unknown) {
    return { file: this.#file, reason: messageOf(error) }
  }
}
