import { RpcError } from '../../common/errors.js'

/**
 * Keeps a cluster restored from an older backup from giving an id twice: while anything has shown a run's id above the
 * counter (an agent's hello, the mark in the store, an archive segment), no id is handed out.
 */
export class RestoreGuard {
  #highest = 0
  #shownBy = ''
  /** The highest id that each has shown. */
  readonly #shown = new Map<string, number>()
  /** etcd was made from a backup, and what was given out since may have left no trace that was seen yet. */
  restored = false
  /** Whether the mark in the store is there and cannot be read, so that nobody knows how high it is. */
  blind = false

  /** Someone has shown this id. */
  note(id: number, shownBy: string): void {
    if (id > (this.#shown.get(shownBy) ?? 0)) this.#shown.set(shownBy, id)
    if (id <= this.#highest) return
    this.#highest = id
    this.#shownBy = shownBy
  }

  get highest(): number {
    return this.#highest
  }

  /** Who has shown ids, and the highest each. */
  get shown(): ReadonlyMap<string, number> {
    return this.#shown
  }

  /** FAILED_PRECONDITION until the counter has been raised. */
  check(counter: number): void {
    this.checkSight()
    if (this.#highest <= counter) {
      if (!this.restored) return
      throw new RpcError(
        'FAILED_PRECONDITION',
        'The cluster was restored from a backup, and may have given more ids than that knows of. No run is accepted until an admin runs `spell cluster repair`.',
      )
    }
    throw new RpcError(
      'FAILED_PRECONDITION',
      `The newest run here is ${counter}, but ${this.#shownBy} has seen run ${this.#highest}: the cluster was restored from an older backup. No run is accepted until an admin runs \`spell cluster repair\`.`,
    )
  }

  /** FAILED_PRECONDITION while the mark in the store cannot be read. */
  checkSight(): void {
    if (!this.blind) return
    throw new RpcError(
      'FAILED_PRECONDITION',
      "The store's note of the highest run id is damaged, so an id might be given twice. No run is accepted until an admin mends or removes .spell/highest-run.json in the store.",
    )
  }
}
