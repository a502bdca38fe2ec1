import { RpcError } from '../../common/errors.js'
import type { Leader } from '../leader.js'
import type { LiveCall } from './call.js'

/** A node's call, answered by the leader only. A node is who its certificate says. */
export class NodeCall {
  readonly nodeId: string
  readonly leader: Leader
  readonly #live: LiveCall

  constructor(live: LiveCall, leader: Leader) {
    this.nodeId = nodeIdOf(live)
    this.leader = leader
    this.#live = live
  }

  /** Aborted when the node has gone or this coordinator no longer leads. */
  get signal(): AbortSignal {
    return this.#live.signal
  }
}

/** From the common name `node:<id>`. Throws PERMISSION_DENIED for a certificate of anything else. */
export function nodeIdOf(live: LiveCall): string {
  const id = /^node:(.+)$/.exec(live.commonName ?? '')?.[1]
  if (id === undefined)
    throw new RpcError(
      'PERMISSION_DENIED',
      "Only nodes may call this, and the certificate shown is no node's.",
    )
  return id
}
