import type { User } from '../core/records.js'
import { tokenEnded } from '../leader/accounts.js'
import type { Term } from '../leader/term.js'
import { type Invitation, invite } from './codes.js'
import { GuessLimit } from './guess-limit.js'
import { logIn, type NewLogin } from './log-in.js'
import type { OpenCall } from './open-calls.js'
import { provenReset, sealReset } from './reset-admin.js'
import { createAccessToken, removeNamedToken, type TokenView, tokensOf } from './tokens.js'
import {
  addUser,
  changeUser,
  makeAdmin,
  type PersonView,
  personViews,
  removeUser,
  type UserChange,
} from './users.js'

/** Who may use the cluster, and with what they get in. Part of a leader, for one term. */
export class People {
  readonly #term: Term
  readonly #guesses: GuessLimit

  constructor(term: Term) {
    this.#term = term
    this.#guesses = new GuessLimit(term.parts.clock)
  }

  add(user: User): Promise<Invitation> {
    return addUser(this.#term, user)
  }

  async list(): Promise<readonly PersonView[]> {
    await this.#term.writes.seen()
    return personViews(this.#term)
  }

  change(name: string, change: UserChange): Promise<PersonView> {
    return changeUser(this.#term, name, change)
  }

  invite(name: string): Promise<Invitation> {
    return invite(this.#term, name)
  }

  remove(name: string): Promise<{ readonly tokensEnded: number; readonly activeRuns: number }> {
    return removeUser(this.#term, name)
  }

  logIn(code: string, label: string): Promise<NewLogin> {
    return logIn(this.#term, this.#guesses, { code, label })
  }

  /** The name that somebody who has the cluster's key asks to be made an admin. */
  provenReset(proof: string): string {
    return provenReset(this.#term, proof)
  }

  /** A new admin, or one of a user that there is, with a login code. */
  makeAdmin(name: string): Promise<Invitation> {
    return makeAdmin(this.#term, name)
  }

  /** For whoever has the cluster's key, and nobody else. */
  sealReset(answer: object): string {
    return sealReset(this.#term, answer)
  }

  async tokens(user: User): Promise<readonly TokenView[]> {
    await this.#term.writes.seen()
    return tokensOf(this.#term, user.name)
  }

  createToken(user: User, name: string): Promise<{ readonly secret: string; readonly token: TokenView }> {
    return createAccessToken(this.#term, user, name)
  }

  removeToken(user: User, name: string): Promise<void> {
    return removeNamedToken(this.#term, user, name)
  }

  /** Whether a run's log and outputs are for whoever made it and for admins only. */
  get isPrivate(): boolean {
    return this.#term.memory.settings.get('private') === 'true'
  }

  /** A call that goes on for long: it is aborted when its token ends, or has ended. Gives what forgets it. */
  opened(call: OpenCall): () => void {
    const { memory, openCalls } = this.#term
    if (!memory.tokens.has(call.tokenSha256)) call.abort(tokenEnded())
    return openCalls.add(call)
  }
}
