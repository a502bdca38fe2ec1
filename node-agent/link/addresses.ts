import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Log } from '../../common/log.js'

/**
 * Where coordinators may be found: those of the settings and those that the last hello named, which are kept on disk. The
 * one that is said to lead comes first, once.
 */
export class Addresses {
  readonly #given: readonly string[]
  readonly #file: string
  readonly #log: Log
  #heard: readonly string[] = []
  #next = 0
  #leader: string | undefined
  #redirects = 0

  constructor(given: readonly string[], file: string, log: Log) {
    this.#given = given
    this.#file = file
    this.#log = log
  }

  /** A file that is damaged counts as none: the settings name where to begin. */
  async load(): Promise<void> {
    try {
      const kept: unknown = JSON.parse(await readFile(this.#file, 'utf8'))
      if (Array.isArray(kept)) this.#heard = kept.map(String)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn('The list of coordinators can not be read', { error })
    }
  }

  /** The one to try now. */
  next(): string {
    const leader = this.#leader
    this.#leader = undefined
    if (leader !== undefined) return leader
    const all = [...new Set([...this.#given, ...this.#heard])]
    return all[this.#next++ % all.length] ?? ''
  }

  /** A coordinator said who leads. false: it is the second time in a row that this helps nothing; wait first. */
  redirect(leader: string): boolean {
    this.#leader = leader
    this.#redirects += 1
    return this.#redirects <= 2
  }

  /** The leader has answered: it is the one to come back to, and it knows where all are. */
  async found(leader: string, all: readonly string[]): Promise<void> {
    this.#redirects = 0
    this.#leader = leader
    if (all.length === 0 || String(all) === String(this.#heard)) return
    this.#heard = all
    const text = JSON.stringify(all)
    await writeFile(`${this.#file}.new`, text)
      .then(() => rename(`${this.#file}.new`, this.#file))
      .catch((error: unknown) => this.#log.warn('The list of coordinators can not be kept', { error }))
  }
}
