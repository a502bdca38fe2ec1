import { RpcError } from '../../common/errors.js'
import { type Attempt, Cancelled } from '../attempts/attempt.js'
import type { Intent } from '../attempts/intent.js'
import { type DiskWatch, watchDisk } from '../disk-usage.js'
import { retry } from '../retry.js'
import type { TaskEnd } from '../runtimes/runtime.js'
import { Lost } from './step.js'
import type { StepParts } from './step-parts.js'
import { diskLimitOf } from './task.js'

/** Milliseconds that a graceful end may take where nothing else is said. */
const defaultGraceMs = 60_000
/** One for all tasks: an error made for each would take a stack trace. */
const taskEnded = new Error('The task has ended.')

export interface SupervisedEnd extends TaskEnd {
  /** The wish that had come by then; undefined: it ended by itself. */
  readonly stopped: Extract<Intent, { kind: 'stop' }> | undefined
}

/**
 * Waits until the task's last process has ended and sees to it that it ends when it must: after its timeout, over its
 * disk limit, or when somebody wishes it. Throws Cancelled for a killed task, after its last process has ended, and Lost.
 */
export async function superviseTask(attempt: Attempt, parts: StepParts): Promise<SupervisedEnd> {
  const supervision = new Supervision(attempt, parts)
  supervision.begin()
  try {
    const end = await taskEnd(attempt, parts)
    const intent = attempt.intent?.intent
    if (intent?.kind === 'kill') throw new Cancelled(intent)
    return { ...end, stopped: intent }
  } finally {
    supervision.end()
  }
}

/** Trouble with the runtime is no end of the task: whatever it says, it is asked again. */
export async function taskEnd(attempt: Attempt, parts: StepParts): Promise<TaskEnd> {
  return await retry(
    async () => {
      try {
        return await parts.runtime.wait(attempt.id, attempt.watch)
      } catch (error) {
        if (error instanceof RpcError && error.code === 'NOT_FOUND')
          throw new Lost('The run vanished from the node: someone else removed it, or the machine lost it.')
        throw error
      }
    },
    {
      backoff: { firstMs: 100, maxMs: 5_000 },
      giveUpAfterMs: Number.POSITIVE_INFINITY,
      signal: attempt.watch,
      worthwhile: (error) => !(error instanceof Lost),
      onWait: (error) =>
        parts.log.warn('The runtime can not say whether a run goes on', { attempt: attempt.key, error }),
    },
    parts,
  )
}

class Supervision {
  readonly #attempt: Attempt
  readonly #parts: StepParts
  readonly #timers: { cancel(): void }[] = []
  readonly #ended = new AbortController()
  #disk: DiskWatch | undefined
  #carriedOut: 'nothing' | 'stop' | 'kill' = 'nothing'

  constructor(attempt: Attempt, parts: StepParts) {
    this.#attempt = attempt
    this.#parts = parts
  }

  begin(): void {
    this.#attempt.onIntent(() => this.#carryOut())
    this.#carryOut()
    this.#armTimeout()
    this.#watchDisk()
  }

  end(): void {
    this.#attempt.onIntent(() => undefined)
    this.#disk?.stop()
    for (const timer of this.#timers) timer.cancel()
    this.#ended.abort(taskEnded)
  }

  #carryOut(): void {
    const wished = this.#attempt.intent
    if (!wished || this.#ended.signal.aborted) return
    const { intent } = wished
    if (intent.kind === 'stop' && this.#carriedOut === 'nothing') {
      this.#carriedOut = 'stop'
      this.#parts.failpoints.reach('ending')
      this.#signal('terminate', () => this.#killAfter(intent.graceMs || defaultGraceMs))
    }
    if (intent.kind === 'kill' && this.#carriedOut !== 'kill') {
      this.#carriedOut = 'kill'
      this.#parts.failpoints.reach('ending')
      this.#signal('kill')
    }
  }

  /**
   * The grace is the task's own time: it begins when the task was told, not while the engine or the agent was away. After a
   * restart of the agent the task is told anew, and the grace begins with that. Who must be gone earlier is killed by a wish.
   */
  #killAfter(graceMs: number): void {
    if (this.#ended.signal.aborted) return
    const { boot } = this.#parts
    this.#timers.push(boot.at(boot.now() + graceMs, () => this.#signal('kill')))
  }

  /** Until it succeeds or the task has ended. */
  #signal(call: 'terminate' | 'kill', done: () => void = () => undefined): void {
    const { runtime, log } = this.#parts
    const attempt = this.#attempt
    const options = {
      backoff: { firstMs: 100, maxMs: 5_000 },
      giveUpAfterMs: Number.POSITIVE_INFINITY,
      signal: this.#ended.signal,
      worthwhile: () => !attempt.watch.aborted,
      onWait: (error: unknown) =>
        log.warn('A run can not be signalled', { attempt: attempt.key, call, error }),
    }
    retry(() => runtime[call](attempt.id), options, this.#parts).then(done, () => undefined)
  }

  #armTimeout(): void {
    const { timeoutMs } = this.#attempt.assignment.spec.limits
    if (timeoutMs === undefined) return
    const sinceMs = this.#attempt.runningSinceMs ?? this.#parts.boot.now()
    const reason = `The run reached its timeout of ${minutes(timeoutMs)}.`
    this.#timers.push(this.#parts.boot.at(sinceMs + timeoutMs, () => this.#stop('timeout', reason)))
  }

  #watchDisk(): void {
    const { settings, clock, runtime } = this.#parts
    const { id, folders } = this.#attempt
    const limitBytes = diskLimitOf(this.#attempt, settings)
    if (limitBytes === 0) return
    const elsewhere = () => runtime.layerBytes(id)
    const options = { folder: folders.folder, elsewhere, limitBytes, everyMs: settings.diskCheckMs }
    this.#disk = watchDisk(options, clock, (usedBytes) => {
      const reason = `The run uses ${usedBytes} bytes of the disk, more than its limit of ${limitBytes}.`
      this.#stop('disk_limit', reason)
    })
  }

  #stop(endedBy: 'timeout' | 'disk_limit', reason: string): void {
    const { graceMs } = this.#attempt.assignment
    this.#parts.inBackground(this.#attempt.wish({ kind: 'stop', endedBy, reason, graceMs }))
  }
}

function minutes(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`
}
