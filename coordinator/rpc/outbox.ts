import { RpcError } from '../../common/errors.js'
import type { ToAgent } from '../../proto/model/link.js'

/** Messages that may wait for an agent that doesn't read; then its link is ended. */
const mostWaiting = 10_000

/** What goes down one link. Orders and answers of one turn of the loop travel in one message. */
export class Outbox {
  #waiting: ToAgent[] = []
  #over: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined

  readonly push = (message: ToAgent): void => {
    const last = this.#waiting.at(-1)
    const joined = last && join(last, message)
    if (joined) this.#waiting[this.#waiting.length - 1] = joined
    else this.#waiting.push(message)
    if (this.#waiting.length > mostWaiting)
      this.end(new RpcError('RESOURCE_EXHAUSTED', 'The agent does not read what it is sent.'))
    this.#wake()
  }

  /** What waits is not sent any more when there is an error. Safe to call twice. */
  end(error?: unknown): void {
    this.#over ??= { error }
    this.#wake()
  }

  async *messages(): AsyncGenerator<ToAgent, void, undefined> {
    for (;;) {
      if (this.#over?.error !== undefined) throw this.#over.error
      const batch = this.#waiting
      this.#waiting = []
      yield* batch
      if (this.#waiting.length > 0) continue
      if (this.#over) return
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      // The wake comes with the first message of a turn; the rest of that turn comes along.
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
}

function join(last: ToAgent, next: ToAgent): ToAgent | undefined {
  if (last.kind === 'orders' && next.kind === 'orders' && last.orders.length < 100)
    return { kind: 'orders', orders: [...last.orders, ...next.orders] }
  if (last.kind === 'answers' && next.kind === 'answers' && last.answers.length < 1_000)
    return { kind: 'answers', answers: [...last.answers, ...next.answers] }
  return undefined
}
