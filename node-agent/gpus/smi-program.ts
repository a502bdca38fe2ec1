import { execa } from 'execa'
import type { Clock } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'

export interface SmiSettings {
  /** Path of nvidia-smi; `nvidia-smi` on PATH when left out, and then a machine without it has no GPUs. */
  readonly nvidiaSmi?: string | undefined
  /** How long nvidia-smi may take: it hangs when a driver does. Default 20,000. */
  readonly nvidiaSmiTimeoutMs?: number | undefined
}

export type SmiResult =
  | { readonly kind: 'said'; readonly output: string }
  /** It ran, and ended with an error; asked otherwise it may answer. What it printed may still be of use. */
  | { readonly kind: 'refused'; readonly code: number; readonly output: string; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  /** There is none, and none was asked for. */
  | { readonly kind: 'none' }

/** A GPU takes some 20 KB. */
const outputLimitBytes = 8 * 1024 * 1024
const defaultTimeoutMs = 20_000

/** nvidia-smi on this machine: one at a time, and never waited for longer than it may take. */
export class SmiProgram {
  readonly #settings: SmiSettings
  readonly #clock: Clock
  /** One that a dead driver holds can't be ended; no second is started beside it. */
  #hanging = false

  constructor(settings: SmiSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  async run(words: readonly string[], signal: AbortSignal): Promise<SmiResult> {
    signal.throwIfAborted()
    if (this.#hanging) return { kind: 'failed', reason: 'nvidia-smi still hangs; the driver may be dead.' }
    const limitMs = this.#settings.nvidiaSmiTimeoutMs ?? defaultTimeoutMs
    const child = execa(this.#settings.nvidiaSmi ?? 'nvidia-smi', words, {
      reject: false,
      stdin: 'ignore',
      maxBuffer: outputLimitBytes,
      detached: true,
      env: { LC_ALL: 'C', LANGUAGE: 'C' },
    })
    this.#hanging = true
    const over = new AbortController()
    const stop = () => over.abort()
    signal.addEventListener('abort', stop)
    const ended = () => {
      this.#hanging = false
    }
    child.once('exit', ended).once('error', ended)
    const late = this.#clock.sleep(limitMs, over.signal).then(
      () => 'late' as const,
      () => 'late' as const,
    )
    const result = await Promise.race([child, late])
    signal.removeEventListener('abort', stop)
    over.abort()
    if (child.pid === undefined) ended()
    if (result !== 'late' && !result.isMaxBuffer) return this.#resultOf(result)
    // What it has left open, and what reads from it, is nobody's any more.
    endGroup(child.pid)
    child.stdout.destroy()
    child.stderr.destroy()
    child.catch(() => undefined)
    signal.throwIfAborted()
    if (result !== 'late') return { kind: 'failed', reason: 'nvidia-smi says more than 8 MiB.' }
    return { kind: 'failed', reason: `nvidia-smi did not answer within ${limitMs / 1000} s.` }
  }

  #resultOf(result: {
    readonly exitCode?: number | undefined
    readonly code?: string | undefined
    readonly signal?: string | undefined
    readonly stdout: string
    readonly stderr: string
    readonly cause?: unknown
  }): SmiResult {
    const { exitCode, stdout, stderr } = result
    if (exitCode === 0) return { kind: 'said', output: stdout }
    if (result.code === 'ENOENT' && this.#settings.nvidiaSmi === undefined) return { kind: 'none' }
    const said = (lastLine(stderr) || firstLine(stdout) || messageOf(result.cause ?? 'no reason')).slice(
      0,
      300,
    )
    if (result.signal !== undefined)
      return { kind: 'failed', reason: `nvidia-smi was ended by ${result.signal}.` }
    if (exitCode === undefined) return { kind: 'failed', reason: `nvidia-smi could not be run: ${said}` }
    return {
      kind: 'refused',
      code: exitCode,
      output: stdout,
      reason: `nvidia-smi failed (${exitCode}): ${said}`,
    }
  }
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0]?.trim() ?? ''
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.trim() ?? ''
}

/** With what it has started itself: nvidia-smi may be a script. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
