import { isRemoved } from './membership.js'
import type { Term } from './term.js'

/** The leader's word on who belongs to the cluster. */
export class Joins {
  readonly #term: Term

  constructor(term: Term) {
    this.#term = term
  }

  /** Whether the node was taken out of the cluster. */
  isRemoved(nodeId: string): boolean {
    return isRemoved(this.#term.memory, nodeId)
  }
}
