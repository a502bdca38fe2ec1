/** A call that may go on for long. */
export interface OpenCall {
  readonly tokenSha256: string
  abort(reason: Error): void
}

/** Calls under way that may go on for long, by the token that they came with, so that they end with it. */
export class OpenCalls {
  readonly #calls = new Map<string, Set<OpenCall>>()

  /** Gives what takes it out again; that is safe to call twice. */
  add(call: OpenCall): () => void {
    const { tokenSha256 } = call
    const calls = this.#calls.get(tokenSha256) ?? new Set()
    this.#calls.set(tokenSha256, calls.add(call))
    return () => {
      calls.delete(call)
      if (calls.size === 0 && this.#calls.get(tokenSha256) === calls) this.#calls.delete(tokenSha256)
    }
  }

  endOf(tokens: Iterable<string>, reason: Error): void {
    for (const token of tokens) for (const call of [...(this.#calls.get(token) ?? [])]) call.abort(reason)
  }

  endAll(reason: Error): void {
    this.endOf([...this.#calls.keys()], reason)
  }
}
