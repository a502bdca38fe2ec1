import type { Clock, Timer } from '../../common/clock.js'
import { width } from './table.js'

const frameMs = 200
const eraseLine = '\r\u001b[K'

export interface SpinnerParts {
  readonly clock: Clock
  readonly frames: readonly string[]
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
    const { frames, columns, write } = this.#parts
    const line = `${frames[this.#frame % frames.length]} ${this.#text ?? ''}`
    write(`${eraseLine}${cut(line, columns() - 1)}`)
    this.#drawn = true
  }
}

function cut(line: string, columns: number): string {
  if (width(line) <= columns) return line
  const characters = [...line]
  while (characters.length > 0 && width(characters.join('')) > columns - 1) characters.pop()
  return `${characters.join('')}…`
}
