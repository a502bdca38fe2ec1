import { type BackoffSettings, backoffMs } from '../../common/backoff.js'
import type { Clock, Timer } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import type { Channel, Conversation } from '../../proto/channel.js'
import { attemptIdFromWire } from '../../proto/convert/attempt.js'
import type { LogBatch__Output } from '../../proto/gen/spell/v1/LogBatch.js'
import type { LogReplies__Output } from '../../proto/gen/spell/v1/LogReplies.js'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { method } from '../../proto/wire.js'
import { LogSource } from './log-source.js'

const shipLogs = method<LogBatch__Output, LogReplies__Output>('Agents', 'ShipLogs')

/** Of one message, in bytes, however many logs are in it. */
const messageBytes = 256 * 1024
/** What may be under way without being safe, of one log and of all, in bytes. */
const sourceWindowBytes = 4 << 20
const windowBytes = 16 << 20
/** Logs that grow are looked at so often, in milliseconds; */
const lookEveryMs = 15
/** those that have not grown for so long tell by themselves when they do. */
const quietAfterMs = 500
/** A run that is over by then is not looked at before its end. */
const newForMs = 30
/** Where changes don't tell by themselves (a file system without inotify). */
const lookAnywayEveryMs = 2_000
/** After a log could not be read, in milliseconds. */
const readAgainMs = 1_000
const backoff: BackoffSettings = { firstMs: 100, maxMs: 5_000 }
/** A stream that lasted so long begins the waits anew, in milliseconds. */
const steadyMs = 10_000

/** What it needs of a channel. */
type Conversing = Pick<Channel, 'conversation'>

export interface ShipperParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/**
 * Brings what the runs print to the leader, by offset, many logs in one message. Bytes go as they are: lines and carriage
 * returns mean nothing here. What was sent counts for nothing until the leader says that it is durable.
 */
export class LogShipper {
  readonly #parts: ShipperParts
  /** Those that have waited longest for a turn come first. */
  readonly #sources = new Map<string, LogSource>()
  #stream: Conversation<LogReplies__Output> | undefined
  #underway = 0
  #pumping = false
  /** Something came while a batch was being sent. */
  #wanted = false
  #looking: Timer | undefined
  #lookedAnywayMs = 0
  #tellSafe: (id: AttemptId) => void = () => undefined

  constructor(parts: ShipperParts) {
    this.#parts = parts
  }

  /** `listener` is called once for each attempt: no byte of its log is needed here any more. */
  onSafe(listener: (id: AttemptId) => void): void {
    this.#tellSafe = listener
  }

  /** `fresh`: the leader can't have anything of it. */
  add(source: { id: AttemptId; file: string; limitBytes: number; origin: 'fresh' | 'restored' }): void {
    const key = attemptKey(source.id)
    if (this.#sources.has(key)) return
    const durable = source.origin === 'fresh' ? 0 : undefined
    const made = new LogSource({ ...source, durable, nowMs: this.#parts.clock.monotonic() })
    this.#sources.set(key, made)
    if (durable === undefined) this.#wake(made)
    this.#lookLater()
  }

  /** The final length is known. */
  finish(id: AttemptId, lengthBytes: number): void {
    const source = this.#sources.get(attemptKey(id))
    if (!source || source.finalBytes !== undefined) return
    source.finalBytes = lengthBytes
    source.unwatch()
    if (source.safe || lengthBytes === 0) this.#settle(source)
    else this.#wake(source)
  }

  /** Nothing of it is wanted any more. */
  drop(id: AttemptId): void {
    const source = this.#sources.get(attemptKey(id))
    if (source) this.#settle(source)
  }

  /** Ships over `channel` until the signal aborts; a broken stream is opened again. */
  async run(channel: Conversing, signal: AbortSignal): Promise<void> {
    const { clock, random, log } = this.#parts
    for (let failures = 0; !signal.aborted; failures += 1) {
      const beganMs = clock.monotonic()
      const reason = await this.#converse(channel, signal).then(
        () => 'the leader ended the stream',
        messageOf,
      )
      if (signal.aborted) return
      if (clock.monotonic() - beganMs > steadyMs) failures = 0
      const waitMs = backoffMs(backoff, failures, random)
      log.info('The stream of logs broke', { reason, waitMs: Math.round(waitMs) })
      await clock.sleep(waitMs, signal).catch(() => undefined)
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#looking?.cancel()
    await Promise.all([...this.#sources.values()].map((source) => source.close()))
    this.#sources.clear()
  }

  async #converse(channel: Conversing, signal: AbortSignal): Promise<void> {
    const stream = await channel.conversation<LogBatch__Output, LogReplies__Output>(shipLogs, { signal })
    this.#stream = stream
    this.#underway = 0
    for (const source of this.#sources.values()) {
      source.sent = source.durable ?? 0
      source.asked = false
      source.unanswered = 0
      source.dirty = true
    }
    this.#pump()
    try {
      for await (const { replies } of stream) {
        if (this.#stream !== stream) return
        for (const reply of replies)
          this.#take(attemptKey(attemptIdFromWire(reply.id)), reply.durableBytes, reply.refused)
        this.#pump()
      }
    } finally {
      if (this.#stream === stream) this.#stream = undefined
    }
  }

  #take(key: string, durableBytes: number, refused: boolean): void {
    const source = this.#sources.get(key)
    if (!source) return
    source.unanswered -= 1
    if (source.durable === undefined) {
      source.sent = durableBytes
      source.durable = durableBytes
      source.dirty = true
    } else if (durableBytes > source.durable) {
      this.#underway -= Math.min(source.sent, durableBytes) - source.durable
      source.durable = durableBytes
      source.sent = Math.max(source.sent, durableBytes)
    }
    if (refused || source.safe) this.#settle(source)
    else if (source.unanswered === 0 && source.sent > source.durable) {
      // Everything was answered and not all was taken: the leader goes on from where it is, be that less than it said before.
      this.#underway -= source.sent - source.durable
      source.durable = Math.min(source.durable, durableBytes)
      source.sent = source.durable
      source.dirty = true
    }
  }

  /** Nothing more is done for it. */
  #settle(source: LogSource): void {
    this.#underway -= Math.max(0, source.sent - (source.durable ?? source.sent))
    source.over = true
    this.#sources.delete(attemptKey(source.id))
    source.close().catch((error: unknown) => this.#parts.log.warn('A log can not be closed', { error }))
    this.#tellSafe(source.id)
  }

  #wake(source: LogSource): void {
    source.dirty = true
    this.#pump()
  }

  #wakeLater(source: LogSource): void {
    this.#parts.clock.timer(readAgainMs, () => {
      if (!source.over && this.#sources.has(attemptKey(source.id))) this.#wake(source)
    })
  }

  #pump(): void {
    this.#wanted = true
    if (this.#pumping || !this.#stream) return
    this.#pumping = true
    this.#wanted = false
    this.#send(this.#stream)
      // The stream's own end says what went wrong; the next one begins anew.
      .catch((error: unknown) => this.#parts.log.debug('A batch of logs was not sent', { error }))
      .finally(() => {
        this.#pumping = false
        if (this.#wanted) this.#pump()
      })
  }

  async #send(stream: Conversation<LogReplies__Output>): Promise<void> {
    // In the next turn: what others bring in this one goes along.
    await new Promise((resolve) => setImmediate(resolve))
    for (let full = true; full && this.#stream === stream; ) {
      const chunks: object[] = []
      let room = messageBytes
      const served: LogSource[] = []
      for (const source of this.#sources.values()) {
        if (!source.dirty || room <= 0) continue
        const chunk = await this.#chunkOf(source, room, stream)
        if (!chunk) continue
        chunks.push(chunk)
        served.push(source)
        room -= chunk.data.length
      }
      this.#moveBehind(served)
      full = chunks.length > 0
      if (full && this.#stream === stream) await stream.write({ chunks })
    }
  }

  /** Whoever had a turn waits for all others: a few busy logs may have everything that is under way to themselves. */
  #moveBehind(served: readonly LogSource[]): void {
    for (const source of served) {
      const key = attemptKey(source.id)
      if (this.#sources.delete(key)) this.#sources.set(key, source)
    }
  }

  /** The next bytes of a log, or the question how far the leader has it. */
  async #chunkOf(source: LogSource, room: number, stream: Conversation<LogReplies__Output>) {
    if (source.durable === undefined) {
      source.dirty = false
      if (source.asked) return undefined
      source.asked = true
      source.unanswered += 1
      return { id: source.id, offset: 0, data: Buffer.alloc(0), query: true }
    }
    const windowLeft = Math.min(
      sourceWindowBytes - (source.sent - source.durable),
      windowBytes - this.#underway,
      room,
    )
    // It stays dirty, and is looked at again when a reply has made room.
    if (windowLeft <= 0) return undefined
    source.dirty = false
    const offset = source.sent
    // Of a log whose end becomes known during the read, the read has not seen all.
    const { finalBytes } = source
    const data = await source.read(windowLeft).catch((error: unknown) => {
      // Chunks of other logs are in this batch already: it must not fail as a whole.
      this.#parts.log.warn('A log can not be read', { attempt: attemptKey(source.id), error })
    })
    if (source.over) return undefined
    if (data === undefined) {
      this.#wakeLater(source)
      return undefined
    }
    // Meanwhile another stream began, or the leader said that it has more: what was read is not what is next.
    if (this.#stream !== stream || source.sent !== offset) {
      source.dirty = true
      return undefined
    }
    if (data.length === 0) {
      if (finalBytes !== undefined && source.sent < finalBytes) {
        this.#parts.log.error('The end of a log is gone from the disk', { attempt: attemptKey(source.id) })
        this.#settle(source)
      }
      return undefined
    }
    source.sent += data.length
    source.unanswered += 1
    this.#underway += data.length
    source.grewAtMs = this.#parts.clock.monotonic()
    source.dirty = source.sent < source.ceiling
    return { id: source.id, offset, data, query: false }
  }

  #lookLater(): void {
    this.#looking ??= this.#parts.clock.timer(lookEveryMs, () => {
      this.#look()
        .catch((error: unknown) => this.#parts.log.warn('A log can not be read', { error }))
        .finally(() => {
          this.#looking = undefined
          if (this.#sources.size > 0) this.#lookLater()
        })
    })
  }

  async #look(): Promise<void> {
    const nowMs = this.#parts.clock.monotonic()
    const anyway = nowMs - this.#lookedAnywayMs >= lookAnywayEveryMs
    if (anyway) this.#lookedAnywayMs = nowMs
    for (const source of this.#sources.values()) {
      if (source.finalBytes !== undefined || source.over) continue
      if (source.isWatched && !anyway) continue
      if (nowMs - source.grewAtMs < newForMs && source.sent === 0) continue
      if (await source.grew()) {
        source.grewAtMs = nowMs
        this.#wake(source)
      } else if (!source.isWatched && nowMs - source.grewAtMs > quietAfterMs) this.#watch(source)
    }
  }

  #watch(source: LogSource): void {
    source.watch(() => {
      source.grewAtMs = this.#parts.clock.monotonic()
      this.#wake(source)
    })
    // What came between the last look and the watch.
    this.#wake(source)
  }
}
