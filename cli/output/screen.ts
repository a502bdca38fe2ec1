import type { World } from '../world.js'
import { Spinner } from './spinner.js'
import { printableLines, type Style, styleOf, withEmoji } from './style.js'
import { write } from './write.js'

const newline = 10

/**
 * Standard output while a run is followed: the run's own bytes, unchanged, and between them whole lines of ours. On a
 * terminal one line at the bottom may be waiting for something; elsewhere there is only what stays.
 */
export class Screen {
  readonly style: Style
  readonly #world: World
  readonly #spinner: Spinner
  #atLineStart = true

  constructor(world: World) {
    this.#world = world
    this.style = styleOf(world)
    this.#spinner = new Spinner({
      clock: world.clock,
      frames: this.style.emoji ? ['⭐', '🌟'] : ['*', '+'],
      ellipsis: this.style.ellipsis,
      columns: () => world.stdout.columns || 80,
      write: (text) => world.stdout.write(text),
    })
  }

  /** A line of ours that stays, at the start of a line. */
  async line(emoji: string, sentence: string): Promise<void> {
    this.#spinner.pause()
    const break_ = this.#atLineStart ? '' : '\n'
    this.#atLineStart = true
    await write(this.#world.stdout, `${break_}${withEmoji(this.style, emoji, sentence)}\n`)
    this.#spinner.resume()
  }

  async bytes(data: Uint8Array): Promise<void> {
    if (data.length === 0) return
    this.#spinner.pause()
    this.#atLineStart = data.at(-1) === newline
    await write(this.#world.stdout, data)
    if (this.#atLineStart) this.#spinner.resume()
  }

  /** On a terminal, what is being waited for. */
  waiting(sentence: string): void {
    if (this.style.spinner && this.#atLineStart) this.#spinner.show(sentence)
  }

  /** Nothing is waited for any more. Safe to call twice. */
  stopWaiting(): void {
    this.#spinner.stop()
  }

  /** On standard error, for whoever looks on; the followed output stays as it is. */
  note(sentence: string): void {
    this.#spinner.pause()
    const together = this.#world.stdout.isTTY && this.#world.stderr.isTTY && !this.#atLineStart
    this.#world.stderr.write(`${together ? '\n' : ''}${printableLines(sentence)}\n`)
    this.#spinner.resume()
  }
}
