import type { JoinTokenRecord, Membership } from '../core/join-records.js'
import { keepAuthorityKey } from './authority.js'
import { type CoordinatorJoin, joinCoordinator, joinNode, type NodeJoin } from './join.js'
import {
  createJoinToken,
  type JoinTokenRequest,
  liveTokens,
  removeOldTokens,
  revokeJoinToken,
} from './join-tokens.js'
import { isRemoved } from './membership.js'
import { renewCertificate } from './renew.js'
import type { Term } from './term.js'

/** The leader's word on who belongs to the cluster. */
export class Joins {
  readonly #term: Term

  constructor(term: Term) {
    this.#term = term
  }

  /** At the beginning of a term: sees to it that certificates can be signed, by this leader and the next. */
  keepAuthorityKey(): Promise<void> {
    return keepAuthorityKey(this.#term)
  }

  /** Now and then: forgets tokens that are over. */
  look(): void {
    removeOldTokens(this.#term)
  }

  /** Whether the node was taken out of the cluster. */
  isRemoved(nodeId: string): boolean {
    return isRemoved(this.#term.memory, nodeId)
  }

  createToken(request: JoinTokenRequest): Promise<JoinTokenRecord & { readonly token: string }> {
    return createJoinToken(this.#term, request)
  }

  /** Live ones, the newest first. */
  async tokens(): Promise<readonly JoinTokenRecord[]> {
    const tokens = liveTokens(this.#term)
    await this.#term.writes.seen()
    return tokens
  }

  /** NOT_FOUND: no live token has this id. */
  revokeToken(id: string): Promise<void> {
    return revokeJoinToken(this.#term, id)
  }

  node(request: NodeJoin): Promise<{ readonly membership: Membership; readonly certificatePem: string }> {
    return joinNode(this.#term, request)
  }

  /** Gives the certificate. */
  coordinator(request: CoordinatorJoin): Promise<string> {
    return joinCoordinator(this.#term, request)
  }

  renew(request: { readonly certificatePem: string; readonly signature: Uint8Array }): Promise<string> {
    return renewCertificate(this.#term, request)
  }
}
