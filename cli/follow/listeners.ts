import { isUtf8 } from 'node:buffer'
import type { Run__Output } from '../../proto/gen/spell/v1/Run.js'
import type { SystemLine__Output } from '../../proto/gen/spell/v1/SystemLine.js'
import { runAsJson, timeAsJson } from '../output/run-json.js'
import { write } from '../output/write.js'
import { note, type World } from '../world.js'
import type { Listener } from './follow.js'

/** The log's bytes and nothing else. */
export class RawListener implements Listener {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  async onRun(): Promise<void> {}

  async onLog(_attempt: number, _offset: number, data: Buffer): Promise<void> {
    await write(this.#world.stdout, data)
  }

  async onLine(line: SystemLine__Output): Promise<void> {
    if (line.error) note(this.#world, line.text)
  }

  onLost(reason: string): void {
    note(this.#world, `Lost sight of the run: ${reason.replace(/\.$/, '')}. Trying again...`)
  }

  onBack(): void {
    note(this.#world, 'Following again.')
  }

  async end(): Promise<void> {}
}

/** One JSON object a line, as docs/cli.md has them. */
export class JsonListener implements Listener {
  readonly #world: World

  constructor(world: World) {
    this.#world = world
  }

  async onRun(run: Run__Output): Promise<void> {
    await this.#write({ event: 'run', run: runAsJson(run) })
  }

  async onLog(attempt: number, offset: number, data: Buffer, atMs: number): Promise<void> {
    const content = isUtf8(data) ? { text: data.toString() } : { base64: data.toString('base64') }
    await this.#write({ event: 'log', attempt, offset, at: timeAsJson(atMs), ...content })
  }

  async onLine(line: SystemLine__Output): Promise<void> {
    await this.#write({ event: 'line', text: line.text, verbose: line.verbose, error: line.error })
  }

  onLost(reason: string): void {
    this.#world.stdout.write(`${JSON.stringify({ event: 'lost', reason })}\n`)
  }

  onBack(): void {
    this.#world.stdout.write(`${JSON.stringify({ event: 'back' })}\n`)
  }

  async end(): Promise<void> {}

  async #write(value: object): Promise<void> {
    await write(this.#world.stdout, `${JSON.stringify(value)}\n`)
  }
}
