import { RpcError, type StatusName, status } from '../../common/errors.js'
import type { Conversation } from '../../proto/channel.js'
import type { ChunkWritten__Output } from '../../proto/gen/spell/v1/ChunkWritten.js'
import type { LogChunksWritten__Output } from '../../proto/gen/spell/v1/LogChunksWritten.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import { type Method, method } from '../../proto/wire.js'
import type { HomeChannel } from './home-channel.js'

const writeLogs: Method<unknown, LogChunksWritten__Output> = method('StoredLogs', 'Write')

/** A message has at most so much, unless a single chunk is larger. */
const inMessage = { bytes: 256 * 1024, chunks: 1_000 }
/** Bytes that were taken and are not answered; above, `add` waits. */
const mostBytes = 32 * 1024 * 1024

export interface LogChunk {
  readonly id: AttemptId
  readonly offset: number
  readonly data: Uint8Array
}

interface Waiting {
  readonly chunk: LogChunk
  resolve(length: number): void
  reject(error: unknown): void
}

/** Chunks of all logs on their way to the store's home, on one stream; what comes while one message goes out shares the next. */
export class LogWrites {
  readonly #home: HomeChannel
  #stream: Conversation<LogChunksWritten__Output> | undefined
  #waiting: Waiting[] = []
  /** Messages that were sent and are not answered, the oldest first. */
  #sent: (readonly Waiting[])[] = []
  #bytes = 0
  #isSending = false
  #room: { readonly made: Promise<void>; tell(): void } | undefined

  constructor(home: HomeChannel) {
    this.#home = home
  }

  /** Resolves with the log's durable length. UNAVAILABLE: what became of the chunk is not known. */
  async add(chunk: LogChunk): Promise<number> {
    while (this.#bytes > mostBytes) await this.#untilRoom()
    return await new Promise<number>((resolve, reject) => {
      this.#bytes += chunk.data.length
      this.#waiting.push({ chunk, resolve, reject })
      void this.#send()
    })
  }

  /** Resolves when nothing is under way. Never rejects. */
  async close(): Promise<void> {
    while (this.#bytes > 0 || this.#sent.length + this.#waiting.length > 0) await this.#untilRoom()
    this.#stream?.cancel()
  }

  /** Never rejects. One at a time. */
  async #send(): Promise<void> {
    if (this.#isSending) return
    this.#isSending = true
    try {
      while (this.#waiting.length > 0) {
        const stream = this.#stream ?? (await this.#open())
        const message = this.#takeMessage()
        this.#sent.push(message)
        const chunks = message.map(({ chunk }) => chunk)
        await this.#home.explained(() => stream.write({ chunks }))
      }
    } catch (error) {
      this.#fail(error)
    } finally {
      // Within the turn of the last look: what comes afterwards starts anew.
      this.#isSending = false
    }
  }

  async #open(): Promise<Conversation<LogChunksWritten__Output>> {
    const stream = await this.#home.converse(writeLogs)
    this.#stream = stream
    void this.#receive(stream)
    return stream
  }

  /** Never rejects. */
  async #receive(stream: Conversation<LogChunksWritten__Output>): Promise<void> {
    let failure: unknown = new RpcError('UNAVAILABLE', 'it has ended the stream of logs')
    try {
      for await (const { chunks } of stream) this.#answered(chunks)
    } catch (error) {
      failure = error
    }
    if (this.#stream === stream) this.#fail(this.#home.inWords(failure))
  }

  #takeMessage(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const { chunk } of this.#waiting) {
      bytes += chunk.data.length
      if (count > 0 && (bytes > inMessage.bytes || count >= inMessage.chunks)) break
      count += 1
    }
    return this.#waiting.splice(0, count)
  }

  #answered(answers: readonly ChunkWritten__Output[]): void {
    const message = this.#sent.shift() ?? []
    for (const [index, waiting] of message.entries()) {
      const answer = answers[index]
      if (answer && answer.error === '') waiting.resolve(answer.length)
      else waiting.reject(answer ? errorOf(answer) : new Error('Invariant broken: every chunk is answered'))
    }
    this.#settled(message)
  }

  /** The stream is over: whoever waits hears that, and may send again. */
  #fail(error: unknown): void {
    this.#stream?.cancel()
    this.#stream = undefined
    const all = [...this.#sent.flat(), ...this.#waiting]
    this.#sent = []
    this.#waiting = []
    for (const { reject } of all) reject(error)
    this.#settled(all)
  }

  #settled(done: readonly Waiting[]): void {
    for (const { chunk } of done) this.#bytes -= chunk.data.length
    this.#room?.tell()
    this.#room = undefined
  }

  async #untilRoom(): Promise<void> {
    if (!this.#room) {
      let tell: () => void = () => undefined
      const made = new Promise<void>((resolve) => {
        tell = resolve
      })
      this.#room = { made, tell }
    }
    await this.#room.made
  }
}

function errorOf({ error, message }: ChunkWritten__Output): RpcError {
  const known = Object.keys(status).find((name): name is StatusName => name === error)
  return new RpcError(known ?? 'UNKNOWN', message)
}
