/** Bytes handed from one who pushes to one who iterates; pushing waits while too many are on the way. */
export class ByteQueue implements AsyncIterable<Uint8Array> {
  readonly #maxBytes: number
  #pieces: Uint8Array[] = []
  #bytes = 0
  #end: { readonly error?: unknown } | undefined
  #changed: () => void = () => {}
  #change: Promise<void> = Promise.resolve()

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.#renew()
  }

  /** Resolves when there is room for more, or when nobody will read any. */
  async push(piece: Uint8Array): Promise<void> {
    this.#pieces.push(piece)
    this.#bytes += piece.length
    this.#tell()
    while (this.#bytes > this.#maxBytes && !this.#end) await this.#change
  }

  end(): void {
    this.#end ??= {}
    this.#tell()
  }

  /** Whoever iterates gets the error next. */
  fail(error: unknown): void {
    this.#end = { error }
    this.#tell()
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for (;;) {
      if (this.#end && 'error' in this.#end) throw this.#end.error
      const pieces = this.#pieces
      this.#pieces = []
      this.#bytes = 0
      if (pieces.length > 0) this.#tell()
      yield* pieces
      if (pieces.length > 0) continue
      if (this.#end) return
      await this.#change
    }
  }

  #tell(): void {
    this.#changed()
    this.#renew()
  }

  #renew(): void {
    this.#change = new Promise((resolve) => {
      this.#changed = resolve
    })
  }
}
