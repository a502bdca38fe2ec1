import { readFile, rename, writeFile } from 'node:fs/promises'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'

/** Where users find coordinators, and where a certificate is renewed: as the settings have it, and as last heard. */
export class UserAddresses {
  readonly #given: readonly string[]
  readonly #file: string
  readonly #log: Log
  #heard: readonly string[] = []

  constructor(given: readonly string[], file: string, log: Log) {
    this.#given = given
    this.#file = file
    this.#log = log
  }

  async load(): Promise<void> {
    try {
      const kept: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      if (Array.isArray(kept)) this.#heard = kept.map(String)
    } catch (error) {
      // A damaged file counts as none: the next hello brings another.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn("The users' addresses can not be read", { reason: messageOf(error) })
    }
  }

  /** What was heard comes first: it is newer. */
  all(): readonly string[] {
    return [...new Set([...this.#heard, ...this.#given])]
  }

  async found(addresses: readonly string[]): Promise<void> {
    if (addresses.length === 0 || String(addresses) === String(this.#heard)) return
    this.#heard = addresses
    await writeFile(`${this.#file}.new`, JSON.stringify(addresses))
    await rename(`${this.#file}.new`, this.#file)
  }
}
