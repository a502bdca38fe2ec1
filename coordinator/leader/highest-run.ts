import type { Clock } from '../../common/clock.js'
import { messageOf, RpcError } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import { decode, encode } from '../core/record-codec.js'
import type { Schema } from '../core/schema.js'
import type { Memory } from './memory.js'
import type { RestoreGuard } from './restore-guard.js'
import type { Writes } from './writes.js'

export interface HighestRunParts {
  readonly clock: Clock
  readonly log: Log
  readonly objects: Pick<ObjectStore, 'put' | 'read'>
  readonly memory: Pick<Memory, 'counter'>
  readonly writes: Pick<Writes, 'seen'>
  readonly restoreGuard: RestoreGuard
  readonly schema: Schema
  /** Aborted when the term is over. */
  readonly signal: AbortSignal
  isLeading(): boolean
}

/** Where the store notes the highest id that this cluster has given: a counter behind it comes from an old backup. */
export const highestRunObject = '.spell/highest-run.json'

const askAgainMs = 5_000

/**
 * The store's note of the highest run id. Whoever restores etcd leaves it as it was, so it is asked before the first id
 * is handed out; a store that is away does not keep runs from being accepted, and is asked again. The note is never
 * lowered: nothing is written before it was read, and what is written counts whatever anything has shown.
 */
export class HighestRun {
  readonly #parts: HighestRunParts
  #firstAnswer: Promise<void> | undefined
  #isRead = false
  /** What this leader has noted or read. */
  #noted = 0
  #noting = false

  constructor(parts: HighestRunParts) {
    this.#parts = parts
  }

  /** Until it resolves no id may be handed out; undefined: it has. Rejects when the term ends first. */
  get firstAnswer(): Promise<void> | undefined {
    return this.#firstAnswer
  }

  /** Whether the store has answered what it has noted, or that there is nothing. */
  get isRead(): boolean {
    return this.#isRead
  }

  start(): void {
    const { clock, signal } = this.#parts
    // A store that says nothing for so long is as good as away.
    const answer = Promise.race([this.#ask(), clock.sleep(askAgainMs, signal)])
    this.#firstAnswer = answer.then(() => {
      this.#firstAnswer = undefined
    })
    this.#firstAnswer.catch(() => {})
  }

  /** Called now and then: notes what was given out since, if anything was. */
  keepUp(): void {
    if (this.#noting || !this.#isRead || this.#parts.memory.counter <= this.#noted) return
    this.#noting = true
    this.note()
      .catch(() => {})
      .finally(() => {
        this.#noting = false
      })
  }

  /** Only a note: without it a restored backup is found out later, by the first agent that says hello. */
  async note(): Promise<void> {
    const { objects, memory, writes, restoreGuard, schema, log, isLeading } = this.#parts
    if (!this.#isRead) return
    const highestRunId = Math.max(memory.counter, restoreGuard.highest)
    // The counter is ahead of etcd by what waits to be committed: noted too early, an id that was never given would look
    // to the next leader as if etcd came from an old backup.
    await writes.seen()
    if (!isLeading()) return
    try {
      await objects.put(highestRunObject, Buffer.from(`${schema.toStored(encode({ highestRunId }))}\n`))
      this.#noted = Math.max(this.#noted, highestRunId)
    } catch (error) {
      log.warn('The highest run id was not noted in the store', { error: messageOf(error) })
    }
  }

  /** Never rejects. Resolves with the store's answer, away or not. */
  async #ask(): Promise<void> {
    const { clock, signal } = this.#parts
    this.#isRead = this.#take(await this.#read())
    if (this.#isRead) return
    clock.sleep(askAgainMs, signal).then(
      () => this.#ask(),
      () => {},
    )
  }

  /** Empty: nothing was ever noted. */
  async #read(): Promise<Buffer | 'away'> {
    const bytes: Buffer[] = []
    try {
      for await (const part of this.#parts.objects.read(highestRunObject)) bytes.push(part)
    } catch (error) {
      if (!(error instanceof RpcError && error.code === 'NOT_FOUND')) return 'away'
    }
    return Buffer.concat(bytes)
  }

  /** Says whether it is known now what the store has noted. */
  #take(bytes: Buffer | 'away'): boolean {
    const { restoreGuard, schema, log } = this.#parts
    if (bytes === 'away') return false
    try {
      if (bytes.length > 0) {
        this.#noted = highestIn(schema.fromStored(bytes.toString()))
        restoreGuard.note(this.#noted, 'the store')
      }
      restoreGuard.blind = false
      return true
    } catch (error) {
      restoreGuard.blind = true
      log.error('The highest run id in the store is unreadable', { object: highestRunObject, error })
      return false
    }
  }
}

function highestIn(text: string): number {
  const { highestRunId } = decode<{ highestRunId: unknown }>(text, highestRunObject)
  if (typeof highestRunId === 'number' && Number.isSafeInteger(highestRunId)) return highestRunId
  throw new Error(`${highestRunObject} has no run's id in it.`)
}
