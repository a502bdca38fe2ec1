/** Ids in ascending order, the oldest first. Adding at the end and taking from the front cost nothing that grows. */
export class RunQueue {
  #ids: number[] = []
  /** Index of the oldest: what is before it has left. */
  #first = 0

  get size(): number {
    return this.#ids.length - this.#first
  }

  get oldest(): number | undefined {
    return this.#ids[this.#first]
  }

  add(id: number): void {
    const newest = this.#ids.at(-1)
    if (newest === undefined || this.size === 0 || id > newest) {
      this.#ids.push(id)
      return
    }
    const index = this.#indexOf(id)
    if (this.#ids[index] !== id) this.#ids.splice(index, 0, id)
  }

  delete(id: number): boolean {
    const index = this.#indexOf(id)
    if (this.#ids[index] !== id) return false
    if (index === this.#first) this.#leaveFront()
    else this.#ids.splice(index, 1)
    return true
  }

  /** 1 is the oldest; 0: not in here. */
  position(id: number): number {
    const index = this.#indexOf(id)
    return this.#ids[index] === id ? index - this.#first + 1 : 0
  }

  #leaveFront(): void {
    this.#first += 1
    if (this.#first === this.#ids.length) {
      this.#ids = []
      this.#first = 0
    } else if (this.#first > 1_024 && this.#first * 2 > this.#ids.length) {
      this.#ids = this.#ids.slice(this.#first)
      this.#first = 0
    }
  }

  /** Where id is, or where it would be. */
  #indexOf(id: number): number {
    let low = this.#first
    let high = this.#ids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ids[middle] ?? 0) < id) low = middle + 1
      else high = middle
    }
    return low
  }
}
