import { messageOf } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Conversation } from '../../proto/channel.js'
import { fromAgentToWire } from '../../proto/convert/link.js'
import type { FromLeader__Output } from '../../proto/gen/spell/v1/FromLeader.js'
import type { Assignment, AttemptId } from '../../proto/model/attempt.js'
import type { AttemptLine, FromAgent, Inventory } from '../../proto/model/link.js'
import type { Outbox } from './outbox.js'

type Stream = Conversation<FromLeader__Output>

/** Of one message: reports, lines or ids. */
const batchCount = 500
/** Lines wait for a link no more than this; the oldest go first. */
const maxLines = 2_000

/**
 * What goes up the link. Everything waits here until there is room in the stream: heartbeats first, then what an inventory
 * or an order asks for, then reports, lines, and what was forgotten. Many of a kind go in one message.
 */
export class Sender {
  readonly #outbox: Outbox
  readonly #failpoints: Failpoints
  readonly #log: Log
  #stream: Stream | undefined
  #sending = false
  #heartbeat: number | undefined
  #inventory: Inventory | undefined
  #described: Assignment[] = []
  #lines: AttemptLine[] = []
  #forgotten: AttemptId[] = []

  constructor(outbox: Outbox, failpoints: Failpoints, log: Log) {
    this.#outbox = outbox
    this.#failpoints = failpoints
    this.#log = log
  }

  /** The hello: nothing else goes before it is answered. */
  async sendFirst(stream: Stream, message: FromAgent): Promise<void> {
    await stream.write(fromAgentToWire(message))
  }

  begin(stream: Stream): void {
    this.#stream = stream
    this.wake()
  }

  /** What the old link did not bring over, and the next hello tells anyway, is dropped. */
  end(stream: Stream): void {
    if (this.#stream !== stream) return
    this.#stream = undefined
    this.#heartbeat = undefined
    this.#inventory = undefined
    this.#described = []
    this.#forgotten = []
  }

  heartbeat(sequence: number): void {
    this.#heartbeat = sequence
    this.wake()
  }

  inventory(inventory: Inventory): void {
    if (!this.#stream) return
    this.#inventory = inventory
    this.wake()
  }

  describe(assignment: Assignment): void {
    this.#described.push(assignment)
    this.wake()
  }

  line(line: AttemptLine): void {
    this.#lines.push(line)
    if (this.#lines.length > maxLines) this.#lines.splice(0, this.#lines.length - maxLines)
    this.wake()
  }

  forgotten(id: AttemptId): void {
    this.#forgotten.push(id)
    this.wake()
  }

  /** There are reports to be sent, or something else. */
  wake(): void {
    if (this.#sending || !this.#stream) return
    this.#sending = true
    // In the next turn: what others bring in this one goes along.
    setImmediate(() => {
      this.#send()
        // The link's own end says what went wrong; the next one sends again.
        .catch((error: unknown) => this.#log.debug('A message was not sent', { reason: messageOf(error) }))
        .finally(() => {
          this.#sending = false
          if (this.#stream && this.#hasMore()) this.wake()
        })
    })
  }

  async #send(): Promise<void> {
    for (let message = this.#next(); message && this.#stream; message = this.#next()) {
      await this.#stream.write(fromAgentToWire(message))
      if (message.kind === 'reports') this.#failpoints.reach('reports-sent')
    }
  }

  #hasMore(): boolean {
    const { length } = [...this.#described, ...this.#lines, ...this.#forgotten]
    return (
      length > 0 || this.#heartbeat !== undefined || this.#inventory !== undefined || this.#outbox.hasUnsent
    )
  }

  #next(): FromAgent | undefined {
    if (!this.#stream) return undefined
    if (this.#heartbeat !== undefined) {
      const sequence = this.#heartbeat
      this.#heartbeat = undefined
      return { kind: 'heartbeat', sequence }
    }
    if (this.#inventory) {
      const inventory = this.#inventory
      this.#inventory = undefined
      return { kind: 'inventory', inventory }
    }
    const assignment = this.#described.shift()
    if (assignment) return { kind: 'described', assignment }
    const reports = this.#outbox.take(batchCount)
    if (reports.length > 0) return { kind: 'reports', reports }
    if (this.#lines.length > 0) return { kind: 'lines', lines: this.#lines.splice(0, batchCount) }
    if (this.#forgotten.length > 0) return { kind: 'forgotten', ids: this.#forgotten.splice(0, batchCount) }
    return undefined
  }
}
