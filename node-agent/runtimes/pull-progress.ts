import type { Clock } from '../../common/clock.js'

/** Milliseconds between two lines about one pull. */
const everyMs = 2000

interface Layer {
  bytes: number
  totalBytes: number
  done: boolean
}

/** Makes a line now and then out of the engine's many small messages about a pull. */
export class PullProgress {
  readonly #image: string
  readonly #clock: Clock
  readonly #layers = new Map<string, Layer>()
  #nextMs: number

  constructor(image: string, clock: Clock) {
    this.#image = image
    this.#clock = clock
    this.#nextMs = clock.monotonic() + everyMs
  }

  /** Takes one message of the stream; `error` is the engine's sentence when it has given up. */
  take(message: unknown): { readonly error: string | undefined } {
    const { id, status, progressDetail, error } = message as EngineMessage
    if (id !== undefined && status !== undefined) this.#note(id, status, progressDetail)
    return { error }
  }

  /** A line, when it is time for one. */
  due(): string | undefined {
    const nowMs = this.#clock.monotonic()
    if (nowMs < this.#nextMs) return undefined
    this.#nextMs = nowMs + everyMs
    const layers = [...this.#layers.values()]
    const done = layers.filter((layer) => layer.done).length
    const bytes = sum(layers.map((layer) => (layer.done ? layer.totalBytes : layer.bytes)))
    const total = sum(layers.map((layer) => layer.totalBytes))
    return `Pulling ${this.#image}: ${done} of ${layers.length} layers, ${megabytes(bytes)} of ${megabytes(total)} MB`
  }

  #note(id: string, status: string, detail: EngineMessage['progressDetail']): void {
    if (status.startsWith('Pulling from')) return
    const layer = this.#layers.get(id) ?? { bytes: 0, totalBytes: 0, done: false }
    if (status === 'Downloading') {
      layer.bytes = detail?.current ?? layer.bytes
      layer.totalBytes = detail?.total ?? layer.totalBytes
    }
    layer.done ||= status === 'Pull complete' || status === 'Already exists'
    this.#layers.set(id, layer)
  }
}

/** Of `POST /images/create` (https://docs.docker.com/reference/api/engine/). */
interface EngineMessage {
  readonly id?: string
  readonly status?: string
  readonly progressDetail?: { readonly current?: number; readonly total?: number }
  readonly error?: string
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e6)
}
