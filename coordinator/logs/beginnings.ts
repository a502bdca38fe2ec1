import type { Clock, Timer } from '../../common/clock.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import type { Beginning } from './log-packs.js'

/** A first chunk of at most so many bytes may go into a pack. */
export const packedBytes = 4096
/** Fewer logs than that at a time get files of their own: a pack would save nothing. */
const packFrom = 3
const mostWaiting = 2_000

interface Waiting extends Beginning {
  readonly promise: Promise<number>
  resolve(length: number): void
  reject(error: unknown): void
}

export interface BeginningsParts {
  readonly clock: Clock
  readonly groupMs: number
  /** Resolves when all are durable in packs. */
  pack(beginnings: readonly Beginning[]): Promise<void>
  /** One has become durable in a pack. */
  packed(id: AttemptId, length: number): void
  /** Puts one into a file of its own at once; resolves with the durable length. */
  write(beginning: Beginning): Promise<number>
}

/** First chunks of logs, short ones, that wait for company. */
export class Beginnings {
  readonly #parts: BeginningsParts
  #waiting = new Map<string, Waiting>()
  #packing = new Map<string, Waiting>()
  #timer: Timer | undefined
  #flushing: Promise<void> | undefined

  constructor(parts: BeginningsParts) {
    this.#parts = parts
  }

  get hasRoom(): boolean {
    return this.#waiting.size + this.#packing.size < mostWaiting
  }

  /** Of that attempt's beginning, while it is on its way to the disk: when it has got there, or failed. */
  underWay(key: string): Promise<unknown> | undefined {
    return (this.#waiting.get(key) ?? this.#packing.get(key))?.promise
  }

  /** Resolves with the durable length of the log. Not while one of the same log is under way. */
  add(id: AttemptId, data: Uint8Array): Promise<number> {
    let settle: Pick<Waiting, 'resolve' | 'reject'> = { resolve: () => undefined, reject: () => undefined }
    const promise = new Promise<number>((resolve, reject) => {
      settle = { resolve, reject }
    })
    this.#waiting.set(attemptKey(id), { id, data, promise, ...settle })
    this.#flushLater()
    return promise
  }

  /** Waits for everything that has come. Never rejects. */
  async close(): Promise<void> {
    this.#timer?.cancel()
    this.#timer = undefined
    while (this.#flushing || this.#waiting.size > 0) await (this.#flushing ?? this.#flush())
  }

  #flushLater(): void {
    if (this.#timer || this.#flushing) return
    this.#timer = this.#parts.clock.timer(this.#parts.groupMs, () => {
      this.#timer = undefined
      void this.#flush()
    })
  }

  #flush(): Promise<void> {
    this.#flushing ??= this.#flushGroup().finally(() => {
      this.#flushing = undefined
      if (this.#waiting.size > 0) this.#flushLater()
    })
    return this.#flushing
  }

  async #flushGroup(): Promise<void> {
    const group = this.#waiting
    this.#packing = group
    this.#waiting = new Map()
    if (group.size >= packFrom) await this.#pack(group)
    else await Promise.all([...group.values()].map((one) => this.#write(one, group)))
  }

  async #pack(group: Map<string, Waiting>): Promise<void> {
    const all = [...group.values()]
    try {
      await this.#parts.pack(all)
    } catch (error) {
      group.clear()
      for (const { reject } of all) reject(error)
      return
    }
    // Nobody may find one under way that has been answered: it would be asked again and again.
    group.clear()
    for (const { id, data, resolve } of all) {
      resolve(data.length)
      this.#parts.packed(id, data.length)
    }
  }

  async #write(one: Waiting, group: Map<string, Waiting>): Promise<void> {
    const done = () => group.delete(attemptKey(one.id))
    await this.#parts.write(one).then(
      (length) => {
        done()
        one.resolve(length)
      },
      (error: unknown) => {
        done()
        one.reject(error)
      },
    )
  }
}
