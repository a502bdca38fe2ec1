import type { AttemptId } from '../../proto/model/attempt.js'
import type { LogTime } from './log-times.js'

/**
 * The logs of all attempts, as bytes at offsets. An attempt's log only grows; what `write` has answered for outlives a
 * power cut. Only the leader writes.
 */
export interface LogStore {
  /**
   * Puts bytes at an offset. Bytes that are there already stay as they are, so a repeat changes nothing; a chunk that
   * would leave a gap is not taken. Resolves, once everything is durable, with the log's durable length: less than
   * offset + data.length means that the sender should go on from there.
   */
  write(id: AttemptId, offset: number, data: Uint8Array): Promise<number>
  /** Durable length in bytes; 0 for a log that is not there. */
  length(id: AttemptId): Promise<number>
  /** Bytes [offset, end) in pieces of at most 64 KiB, as far as they are durable. */
  read(id: AttemptId, offset: number, end: number): AsyncIterable<Buffer>
  /** When its bytes came in, as far as that is known: times ascend with offsets. */
  times(id: AttemptId): Promise<readonly LogTime[]>
  /** Where the last `lines` lines before `end` begin. A text after the last newline counts as a line. */
  tailOffset(id: AttemptId, lines: number, end: number): Promise<number>
  /** Calls back with the new durable length whenever it has grown. Returns the way to end that; safe to call twice. */
  onGrown(id: AttemptId, listener: (length: number) => void): () => void
  /**
   * Gives up what it remembers of logs that are not being written. To be called when leadership begins: another leader
   * may have written to them since.
   */
  forget(): Promise<void>
  /** Waits for what is under way and lets go of all files; later writes are refused with UNAVAILABLE. */
  close(): Promise<void>
}
