import { execa } from 'execa'
import type { Clock } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import { type GpuList, gpusOf, hasMigDevices, parseMigNames } from './gpu-list.js'
import { parseReport, type Section } from './smi-report.js'

export interface GpuFinderSettings {
  /** Path of nvidia-smi; `nvidia-smi` on PATH when left out, and then a machine without it has no GPUs. */
  readonly nvidiaSmi?: string | undefined
  /** The UUIDs to offer; all when left out. */
  readonly gpuUuids?: readonly string[] | undefined
  /** How long nvidia-smi may take: it hangs when a driver does. Default 20,000. */
  readonly timeLimitMs?: number | undefined
}

const noGpus: GpuList = { gpus: [], warnings: [] }
const outputLimitBytes = 32 * 1024 * 1024

/** Looks for GPUs; whatever is wrong with them or with nvidia-smi becomes a warning. */
export class GpuFinder {
  readonly #settings: GpuFinderSettings
  readonly #clock: Clock
  /** One that a dead driver holds can't be ended; no second is started beside it. */
  #hanging = false

  constructor(settings: GpuFinderSettings, clock: Clock) {
    this.#settings = settings
    this.#clock = clock
  }

  async find(signal: AbortSignal): Promise<GpuList> {
    const report = await this.#report(signal)
    if (report === undefined) return noGpus
    if (typeof report === 'string') return { gpus: [], warnings: [report] }
    const names = hasMigDevices(report) ? await this.#run(['-L'], signal) : undefined
    const found = gpusOf(report, parseMigNames(names?.kind === 'said' ? names.output : ''))
    return this.#offered(found)
  }

  /** `-q -x` says everything in one call; a stand-in or an old driver may know only one of the others. */
  async #report(signal: AbortSignal): Promise<readonly Section[] | string | undefined> {
    let trouble = ''
    for (const words of [['-q', '-x'], ['-q'], [csvQuery, '--format=csv']]) {
      const result = await this.#run(words, signal)
      if (result.kind === 'none') return undefined
      if (result.kind === 'failed') return result.reason
      const report = result.kind === 'said' ? parseReport(result.output) : result.reason
      if (typeof report !== 'string') return report
      trouble ||= report
    }
    return trouble
  }

  #offered(found: GpuList): GpuList {
    const { gpuUuids } = this.#settings
    if (gpuUuids === undefined) return found
    const gpus = found.gpus.filter(({ uuid, parentUuid }) =>
      [uuid, parentUuid].some((each) => gpuUuids.includes(each)),
    )
    const absent = gpuUuids.filter(
      (wanted) => !gpus.some((gpu) => gpu.uuid === wanted || gpu.parentUuid === wanted),
    )
    const warnings = absent.map((uuid) => `The GPU ${uuid}, which this node is to offer, is not there.`)
    return { gpus, warnings: [...found.warnings, ...warnings] }
  }

  async #run(words: readonly string[], signal: AbortSignal): Promise<SmiResult> {
    if (this.#hanging) return { kind: 'failed', reason: 'nvidia-smi still hangs; the driver may be dead.' }
    const program = this.#settings.nvidiaSmi ?? 'nvidia-smi'
    const limitMs = this.#settings.timeLimitMs ?? 20_000
    const child = execa(program, words, {
      reject: false,
      stdin: 'ignore',
      maxBuffer: outputLimitBytes,
      detached: true,
      env: { LC_ALL: 'C' },
    })
    const over = new AbortController()
    const stop = () => over.abort()
    signal.addEventListener('abort', stop)
    const late = this.#clock.sleep(limitMs, over.signal).then(
      () => 'late' as const,
      () => 'late' as const,
    )
    this.#hanging = true
    const ended = child.then((result) => {
      this.#hanging = false
      return result
    })
    const result = await Promise.race([ended, late])
    signal.removeEventListener('abort', stop)
    over.abort()
    if (result !== 'late') return this.#resultOf(result)
    endGroup(child.pid)
    signal.throwIfAborted()
    return { kind: 'failed', reason: `nvidia-smi did not answer within ${limitMs / 1000} s.` }
  }

  #resultOf(result: {
    readonly exitCode?: number | undefined
    readonly code?: string | undefined
    readonly stdout: string
    readonly stderr: string
    readonly cause?: unknown
  }): SmiResult {
    if (result.exitCode === 0) return { kind: 'said', output: result.stdout }
    if (result.code === 'ENOENT' && this.#settings.nvidiaSmi === undefined) return { kind: 'none' }
    const said =
      (result.stdout || result.stderr).trim().split('\n')[0] || messageOf(result.cause ?? 'no reason')
    if (result.exitCode === undefined)
      return { kind: 'failed', reason: `nvidia-smi could not be run: ${said}` }
    return { kind: 'refused', reason: `nvidia-smi failed (${result.exitCode}): ${said}` }
  }
}

const csvQuery = '--query-gpu=index,name,uuid,memory.total,mig.mode.current'

type SmiResult =
  | { readonly kind: 'said'; readonly output: string }
  /** It ran, and ended with an error; asked otherwise it may answer. */
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'none' }

/** With what it has started itself: nvidia-smi may be a script. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
