import type { Clock } from '../../common/clock.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import type { OutputPart } from '../../proto/model/files.js'
import type { FolderPool } from '../attempts/folder-pool.js'
import type { BootClock } from '../boot-clock.js'
import type { CodeCache } from '../code/code-cache.js'
import type { Runtime } from '../runtimes/runtime.js'
import type { TaskSettings } from './task.js'

export interface StepSettings extends TaskSettings {
  /** How much an attempt may write whose assignment names no limit; 0: no limit. */
  readonly diskLimitBytes: number
  /** How much longer its files may be than what they use on disk, where an attempt has no limit of that. */
  readonly holesLimitBytes: number
  /** How often what a run has written is measured, in milliseconds. */
  readonly diskCheckMs: number
  /** How long a step waits for an engine or a leader that is away before it fails, in milliseconds. */
  readonly giveUpAfterMs: number
}

/** The bytes that an attempt needs from the leader, or brings to it. */
export interface Bytes {
  /** Of an object that a run of this node names. UNAVAILABLE: not now. */
  readObject(id: AttemptId, name: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  /** An upload of one attempt's outputs. `send` throws UNAVAILABLE: not now; FAILED_PRECONDITION: not the current attempt. */
  putOutputs(id: AttemptId, signal: AbortSignal): Promise<OutputsUpload>
}

export interface OutputsUpload {
  send(part: OutputPart): Promise<void>
  /** After the manifest: what the leader has computed its hash to be. */
  finish(): Promise<string>
  cancel(): void
}

/** What becomes of the log of an attempt whose command has ended. */
export interface EndedLogs {
  /** No byte is added to its output any more: its final length. */
  finish(id: AttemptId, lengthBytes: number): void
}

/** What the steps are made of. */
export interface StepParts {
  readonly settings: StepSettings
  readonly runtime: Runtime
  readonly clock: Clock
  readonly boot: BootClock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
  readonly bytes: Bytes
  readonly codeCache: CodeCache
  readonly folders: FolderPool
  readonly logs: EndedLogs
  /** Nobody waits for this; when it fails, the journal has said so to the whole agent. */
  readonly inBackground: (promise: Promise<unknown>) => void
}
