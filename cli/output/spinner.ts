import type { Clock, Timer } from '../../common/clock.js'
import { cutToWidth } from './width.js'

const frameMs = 200
const eraseLine = '\r\u001b[K'

export interface SpinnerParts {
  readonly clock: Clock
  readonly frames: readonly string[]
  /** Where a text is too long for the line. */
  readonly ellipsis: string
  /** Columns of the terminal, which may change. */
  readonly columns: () => number
  readonly write: (text: string) => void
}

/** One line of a terminal that is drawn anew until it is taken away. */
export class Spinner {
  readonly #parts: SpinnerParts
  #text: string | undefined
  #frame = 0
  #timer: Timer | undefined
  #drawn = false

  constructor(parts: SpinnerParts) {
    this.#parts = parts
  }

  /** Shows this text from now on. */
  show(text: string): void {
    if (this.#text === text) return
    this.#text = text
    this.#draw()
    this.#timer ??= this.#next()
  }

  /** Takes the line away so that something else can be written, until `resume`. */
  pause(): void {
    if (this.#drawn) this.#parts.write(eraseLine)
    this.#drawn = false
    this.#timer?.cancel()
    this.#timer = undefined
  }

  resume(): void {
    if (this.#text === undefined || this.#timer) return
    this.#draw()
    this.#timer = this.#next()
  }

  /** Takes the line away for good. Safe to call twice. */
  stop(): void {
    this.pause()
    this.#text = undefined
  }

  #next(): Timer {
    return this.#parts.clock.timer(frameMs, () => {
      this.#frame += 1
      this.#draw()
      this.#timer = this.#next()
    })
  }

  #draw(): void {
    const { frames, ellipsis, columns, write } = this.#parts
    const line = `${frames[this.#frame % frames.length]} ${this.#text ?? ''}`
    write(`${eraseLine}${cutToWidth(line, columns() - 1, ellipsis)}`)
    this.#drawn = true
  }
}
