/**
 * Faults go on side by side, but for one that needs all else to stand still, or others would undo it: it waits for those
 * that go on, and what comes later waits for it.
 */
export class Turns {
  readonly #going = new Set<Promise<unknown>>()
  #alone: Promise<unknown> | undefined

  async take<Result>(alone: boolean, work: () => Promise<Result>): Promise<Result> {
    while (this.#alone) await this.#alone
    const result = alone ? this.#whenNothingGoesOn().then(work) : work()
    const over = result.then(
      () => undefined,
      () => undefined,
    )
    if (alone) this.#alone = over.then(() => this.#free())
    else this.#going.add(over)
    try {
      return await result
    } finally {
      this.#going.delete(over)
    }
  }

  async #whenNothingGoesOn(): Promise<void> {
    await Promise.all(this.#going)
  }

  #free(): void {
    this.#alone = undefined
  }
}
