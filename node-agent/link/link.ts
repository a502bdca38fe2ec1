import { type BackoffSettings, backoffMs } from '../../common/backoff.js'
import type { Clock, Timer } from '../../common/clock.js'
import { RpcError } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import type { Channel, Conversation } from '../../proto/channel.js'
import { toAgentFromWire } from '../../proto/convert/link.js'
import type { FromAgent__Output } from '../../proto/gen/spell/v1/FromAgent.js'
import type { FromLeader__Output } from '../../proto/gen/spell/v1/FromLeader.js'
import type { AgentHello, ToAgent } from '../../proto/model/link.js'
import { retryAfterMs } from '../../proto/rpc-error.js'
import { method } from '../../proto/wire.js'
import type { Attempts } from '../attempts/attempts.js'
import type { BootClock } from '../boot-clock.js'
import type { Addresses } from './addresses.js'
import type { Heartbeats } from './heartbeats.js'
import { KeptChannels } from './kept-channels.js'
import type { Outbox } from './outbox.js'
import type { Sender } from './sender.js'

const linkMethod = method<FromAgent__Output, FromLeader__Output>('Agents', 'Link')

const backoff: BackoffSettings = { firstMs: 100, maxMs: 10_000 }
/**
 * For a connection; a machine that has gone does not refuse one. Longer after each failure: where thousands of agents come
 * to a new leader at once their handshakes wait for one another, and giving up early would only begin them anew.
 */
const connectPatience = { firstMs: 3_000, maxMs: 24_000 }
/** To a coordinator that does not lead and does not say when to ask again. */
const askAgainMs = 500

export interface LinkSettings {
  /** How long a coordinator may take to answer the hello, in milliseconds. */
  readonly helloTimeoutMs: number
  /** Until the leader says another. */
  readonly heartbeatIntervalMs: number
  /** So many heartbeats unanswered: the link counts as broken. */
  readonly missedHeartbeats: number
}

export interface LinkParts {
  readonly clock: Clock
  readonly boot: BootClock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
  readonly addresses: Addresses
  readonly heartbeats: Heartbeats
  readonly outbox: Outbox
  readonly sender: Sender
  readonly attempts: Attempts
  readonly open: (address: string) => Channel
  readonly hello: () => AgentHello
  /** The leader has answered the hello: until the signal aborts, other streams may use its channel. */
  readonly onLeader: (
    channel: Channel,
    hello: Extract<ToAgent, { kind: 'hello' }>,
    signal: AbortSignal,
  ) => void
}

/**
 * The stream between this node and whoever leads. State comes down: verdicts and orders, which may be repeated. A log goes
 * up: reports, sent again after every reconnect until they are answered. Silence from above means nothing; what follows
 * from it for replaceable attempts is fence.ts.
 */
export class Link {
  readonly #settings: LinkSettings
  readonly #parts: LinkParts

  constructor(settings: LinkSettings, parts: LinkParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** Keeps a link open until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { addresses, clock, random, log, open } = this.#parts
    const kept = new KeptChannels(open)
    signal.addEventListener('abort', () => kept.close(), { once: true })
    for (let failures = 0; !signal.aborted; ) {
      const address = addresses.next()
      const channel = kept.take(address)
      const session = new LinkSession({ address, channel }, this.#settings, this.#parts, () => kept.close())
      const error = await session.run(signal, connectTimeoutMs(failures))
      const leader = error.trailers['leader-address']
      const answered = leader !== undefined || retryAfterMs(error) !== undefined
      if (answered && !signal.aborted) kept.keep(address, channel)
      else channel.close()
      if (signal.aborted) return
      if (session.wasAnswered || answered) failures = 0
      if (leader && addresses.redirect(leader)) continue
      if (answered) addresses.stay(address)
      const waitMs = answered
        ? Math.min(retryAfterMs(error) ?? askAgainMs, backoff.maxMs) * (0.75 + random.next() / 2)
        : backoffMs(backoff, failures, random)
      log.info('No link to a leader', {
        address,
        code: error.code,
        reason: error.message,
        waitMs: Math.round(waitMs),
      })
      failures += 1
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }
}

export function connectTimeoutMs(failures: number): number {
  return Math.min(connectPatience.firstMs * 2 ** failures, connectPatience.maxMs)
}

/** One try at one address, from connecting to the end of the stream. */
class LinkSession {
  readonly #address: string
  readonly #channel: Channel
  readonly #settings: LinkSettings
  readonly #parts: LinkParts
  readonly #onBegin: () => void
  readonly #ended = new AbortController()
  #helloSentAtMs = 0
  #answeredAtMs: number | undefined
  #intervalMs: number
  #nextBeat: Timer | undefined

  constructor(
    to: { readonly address: string; readonly channel: Channel },
    settings: LinkSettings,
    parts: LinkParts,
    onBegin: () => void,
  ) {
    this.#address = to.address
    this.#channel = to.channel
    this.#onBegin = onBegin
    this.#settings = settings
    this.#parts = parts
    this.#intervalMs = settings.heartbeatIntervalMs
  }

  get wasAnswered(): boolean {
    return this.#answeredAtMs !== undefined
  }

  /** Resolves with why it ended. */
  async run(signal: AbortSignal, connectMs: number): Promise<RpcError> {
    const leave = () => this.#end('CANCELLED', 'The agent is being ended.')
    signal.addEventListener('abort', leave, { once: true })
    const channel = this.#channel
    try {
      await channel.connect(connectMs, this.#ended.signal)
      const stream = await channel.conversation<FromAgent__Output, FromLeader__Output>(linkMethod, {
        signal: this.#ended.signal,
      })
      await this.#talk(channel, stream)
      return new RpcError('UNAVAILABLE', 'The coordinator ended the link.')
    } catch (error) {
      if (error instanceof RpcError) return error
      this.#parts.log.error('The link failed', { address: this.#address, error })
      return new RpcError('INTERNAL', 'The link failed.', { cause: error })
    } finally {
      signal.removeEventListener('abort', leave)
      this.#end('CANCELLED', 'The link has ended.')
    }
  }

  async #talk(channel: Channel, stream: Conversation<FromLeader__Output>): Promise<void> {
    const { sender, outbox, attempts, hello, clock, boot, heartbeats } = this.#parts
    const late = clock.timer(this.#settings.helloTimeoutMs, () =>
      this.#end('DEADLINE_EXCEEDED', 'The coordinator did not answer the hello.'),
    )
    try {
      heartbeats.forgetSent()
      this.#helloSentAtMs = boot.now()
      await sender.sendFirst(stream, { kind: 'hello', ...hello() })
      for await (const wire of stream) {
        const message = toAgentFromWire(wire)
        this.#answeredAtMs = clock.monotonic()
        if (message.kind === 'hello') {
          late.cancel()
          this.#begin(channel, message)
          outbox.rewind()
          sender.begin(stream)
        } else if (message.kind === 'heartbeat') heartbeats.acknowledged(message.sequence)
        else if (message.kind === 'answers') {
          for (const { id, number } of message.answers) attempts.answered(id, number)
          this.#parts.failpoints.reach('reports-answered')
        } else for (const order of message.orders) attempts.take(order, (known) => sender.describe(known))
      }
    } finally {
      late.cancel()
      sender.end(stream)
    }
  }

  #begin(channel: Channel, message: Extract<ToAgent, { kind: 'hello' }>): void {
    const { heartbeats, attempts, addresses, sender, onLeader, log } = this.#parts
    heartbeats.heardAt(this.#helloSentAtMs)
    this.#onBegin()
    log.info('Linked to the leader', { address: this.#address, term: message.term, version: message.version })
    void addresses.found(this.#address, message.coordinatorAddresses)
    if (message.heartbeatIntervalMs > 0) this.#intervalMs = message.heartbeatIntervalMs
    onLeader(channel, message, this.#ended.signal)
    for (const verdict of message.verdicts) attempts.take(verdict, (known) => sender.describe(known))
    this.#beat()
  }

  #beat(): void {
    if (this.#ended.signal.aborted) return
    const { clock, heartbeats, sender } = this.#parts
    const silentMs = clock.monotonic() - (this.#answeredAtMs ?? 0)
    if (silentMs > this.#settings.missedHeartbeats * this.#intervalMs) {
      this.#end('UNAVAILABLE', `The leader has said nothing for ${Math.round(silentMs)} ms.`)
      return
    }
    sender.heartbeat(heartbeats.send())
    this.#nextBeat = clock.timer(this.#intervalMs, () => this.#beat())
  }

  /** Safe to call twice. */
  #end(code: 'CANCELLED' | 'UNAVAILABLE' | 'DEADLINE_EXCEEDED', sentence: string): void {
    this.#nextBeat?.cancel()
    this.#ended.abort(new RpcError(code, sentence))
  }
}
