import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Log } from '../../common/log.js'

/** After so many the next address is tried: this one may be cut off from those who know. */
const staysInTurn = 4

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
  #redirectedTo = ''
  #redirects = 0
  #stays = 0

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

  /** A coordinator said who leads. false: it has said so twice before, which helped nothing; wait first. */
  redirect(leader: string): boolean {
    if (leader !== this.#redirectedTo) this.#redirects = 0
    this.#redirectedTo = leader
    this.#redirects += 1
    if (this.#redirects > 2) return false
    this.#leader = leader
    return true
  }

  /** This one answers and does not lead: it is asked some more times, as it may know soon, or lead itself. */
  stay(address: string): void {
    this.#stays += 1
    if (this.#stays % staysInTurn !== 0) this.#leader = address
  }

  /** The leader has answered: it is the one to come back to, and it knows where all are. */
  async found(leader: string, all: readonly string[]): Promise<void> {
    this.#redirects = 0
    this.#stays = 0
    this.#leader = leader
    if (all.length === 0 || String(all) === String(this.#heard)) return
    this.#heard = all
    const text = JSON.stringify(all)
    await writeFile(`${this.#file}.new`, text)
      .then(() => rename(`${this.#file}.new`, this.#file))
      .catch((error: unknown) => this.#log.warn('The list of coordinators can not be kept', { error }))
  }
}
