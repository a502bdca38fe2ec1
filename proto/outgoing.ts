import { RpcError } from '../common/errors.js'

/** What both kinds of gRPC's writable calls have in common. */
export interface WritableCall {
  write(message: Buffer): boolean
  end(): void
  once(event: 'drain', listener: () => void): unknown
}

/** The messages of one call on their way out: whoever writes waits while the other side is behind. */
export class Outgoing {
  readonly #call: WritableCall
  #over: Error | undefined
  #waiting: { resolve(): void; reject(error: Error): void }[] = []

  constructor(call: WritableCall) {
    this.#call = call
  }

  /** Resolves once there is room for another; rejects when the call is over. */
  write(message: Buffer): Promise<void> {
    if (this.#over) return Promise.reject(this.#over)
    if (this.#call.write(message)) return Promise.resolve()
    if (this.#waiting.length === 0) this.#call.once('drain', () => this.#drained())
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  /** No more will be written. Safe to call twice. */
  end(): void {
    if (!this.#over) this.#call.end()
    this.#over ??= new RpcError('CANCELLED', 'Nothing can be sent after the end of a call.')
  }

  /** The call has ended, with this error or, without one, by the other side's wish. */
  ended(error?: Error): void {
    this.#over ??= error ?? new RpcError('CANCELLED', 'The other side has ended the call.')
    const waiting = this.#waiting
    this.#waiting = []
    for (const { reject } of waiting) reject(this.#over)
  }

  #drained(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve } of waiting) resolve()
  }
}
