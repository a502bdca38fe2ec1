import { RpcError } from '../../common/errors.js'

/** On whose behalf a store is changed. */
export interface ActingLeader {
  readonly generation: string
  readonly term: number
}

/**
 * Keeps a leader that was deposed, or a message of its that was long on its way, from changing what its successor has in a
 * store: whoever has been heard in a later term closes the door on the earlier ones. A new generation comes of a restored
 * backup, for which all coordinators were stopped, and counts terms anew.
 */
export class LeaderFence {
  #newest: ActingLeader = { generation: '', term: 0 }

  /** Somebody leads. UNAVAILABLE: a later leader has been heard already. */
  pass(leader: ActingLeader): void {
    const { generation, term } = this.#newest
    if (leader.generation === generation && leader.term < term)
      throw new RpcError('UNAVAILABLE', `The term ${leader.term} is over: another coordinator leads by now.`)
    if (leader.generation !== generation || leader.term > term) this.#newest = leader
  }
}
