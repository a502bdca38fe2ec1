import type { KnownAddresses } from '../known-addresses.js'

/** After so many the next address is tried: this one may be cut off from those who know. */
const staysInTurn = 4

/** Whom to try next: coordinators take turns, and the one that is said to lead comes first, once. */
export class Addresses {
  readonly #known: KnownAddresses
  #next = 0
  #leader: string | undefined
  #redirectedTo = ''
  #redirects = 0
  #stays = 0

  constructor(known: KnownAddresses) {
    this.#known = known
  }

  load(): Promise<void> {
    return this.#known.load()
  }

  /** The one to try now. */
  next(): string {
    const leader = this.#leader
    this.#leader = undefined
    if (leader !== undefined) return leader
    const all = this.#known.all()
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
    await this.#known.heard(all)
  }
}
