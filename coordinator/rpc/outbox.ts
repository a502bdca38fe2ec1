import { RpcError } from '../../common/errors.js'
import { messageBytes } from '../../proto/message-bytes.js'
import type { Order, ToAgent } from '../../proto/model/link.js'

/** Messages that may wait for an agent that doesn't read; then its link is ended. */
const mostWaiting = 10_000
/** Of orders in one message. An agent takes 8 MiB, and what a run asks for may have hundreds of thousands of bytes. */
const mostOrders = { count: 100, bytes: 1024 * 1024 }
const mostAnswers = 1_000

/** What goes down one link. Orders and answers of one turn of the loop travel in few messages. */
export class Outbox {
  #waiting: ToAgent[] = []
  /** The newest message that waits, where it is one of orders that has room. */
  #open: { readonly orders: Order[]; bytes: number } | undefined
  #over: { readonly error: unknown } | undefined
  #wake: () => void = () => undefined

  readonly push = (message: ToAgent): void => {
    if (message.kind === 'orders') for (const order of message.orders) this.#addOrder(order)
    else this.#add(message)
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
      this.#open = undefined
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

  #add(message: ToAgent): void {
    const last = this.#waiting.at(-1)
    this.#open = undefined
    if (last?.kind === 'answers' && message.kind === 'answers' && last.answers.length < mostAnswers) {
      const answers = [...last.answers, ...message.answers]
      this.#waiting[this.#waiting.length - 1] = { kind: 'answers', answers }
    } else this.#waiting.push(message)
  }

  #addOrder(order: Order): void {
    const bytes = messageBytes(order)
    const open = this.#open
    if (open && open.orders.length < mostOrders.count && open.bytes + bytes <= mostOrders.bytes) {
      open.orders.push(order)
      open.bytes += bytes
    } else {
      const orders = [order]
      this.#open = { orders, bytes }
      this.#waiting.push({ kind: 'orders', orders })
    }
  }
}
