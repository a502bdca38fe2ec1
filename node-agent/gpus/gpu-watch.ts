import type { Clock } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import type { InventoryGpu } from '../../proto/model/link.js'
import type { FoundGpus } from '../inventory.js'
import type { GpuReading } from './find-gpus.js'
import { foreignReason, isVisible, type Ownership } from './foreign-processes.js'
import type { SeenGpu } from './gpu-list.js'
import { keepGpus, keptGpus } from './kept-gpus.js'
import { afterLook, type KnownGpu, unusableReason } from './known-gpus.js'

export interface GpuWatchSettings {
  /** The UUIDs to offer, of GPUs or MIG devices; all when left out. */
  readonly gpuUuids?: readonly string[] | undefined
  /** For how long one that was taken out must read well before it returns. */
  readonly gpuReturnAfterMs: number
  /** Where what is known of GPUs is kept for the next start. */
  readonly keptFile: string
  readonly bootId: string
}

export interface GpuWatchParts {
  readonly read: (signal: AbortSignal) => Promise<GpuReading>
  readonly kernelNews: () => ReadonlyMap<string, string>
  readonly ownership: Ownership
  readonly clock: Clock
  readonly log: Log
}

/** The node's GPUs over time: each look at nvidia-smi, the kernel's log and the processes on them changes what is known. */
export class GpuWatch {
  readonly #settings: GpuWatchSettings
  readonly #parts: GpuWatchParts
  #known: readonly KnownGpu[] = []
  #loaded = false
  /** Those known come from before the machine's start. */
  #anewBooted = false
  #goneAtStart: readonly string[] = []
  #driverVersion = ''
  /** What the file has. */
  #kept = ''
  /** Processes that the last look had and this machine does not show: one that has just ended is among them once. */
  #unseenPids: ReadonlySet<number> = new Set()

  constructor(settings: GpuWatchSettings, parts: GpuWatchParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** `held`: devices that attempts of this node hold, which are never forgotten. */
  async find(signal: AbortSignal, held: ReadonlySet<string>): Promise<FoundGpus> {
    await this.#load()
    const reading = await this.#withForeign(this.#offered(await this.#parts.read(signal)))
    if (this.#anewBooted && reading.kind !== 'failed') this.#forgetUnseen(reading, held)
    this.#known = afterLook(this.#known, {
      reading,
      held,
      nowMs: this.#parts.clock.monotonic(),
      returnAfterMs: this.#settings.gpuReturnAfterMs,
      kernelSays: this.#parts.kernelNews(),
    })
    await this.#keep()
    if (reading.kind === 'read') this.#driverVersion = reading.driverVersion || this.#driverVersion
    return {
      gpus: this.#known.map((gpu) => inventoryGpu(gpu, this.#settings.gpuReturnAfterMs)),
      warnings: [...this.#goneAtStart, ...warningsOf(reading), ...this.#absent()],
      ...(this.#driverVersion !== '' && this.#known.length > 0 && { driverVersion: this.#driverVersion }),
    }
  }

  #offered(reading: GpuReading): GpuReading {
    const { gpuUuids } = this.#settings
    if (gpuUuids === undefined || reading.kind !== 'read') return reading
    const offered = ({ uuid, parentUuid }: SeenGpu) =>
      [uuid, parentUuid].some((each) => gpuUuids.includes(each))
    return { ...reading, gpus: reading.gpus.filter(offered) }
  }

  #absent(): readonly string[] {
    const { gpuUuids = [] } = this.#settings
    const has = (wanted: string) =>
      this.#known.some(({ uuid, parentUuid }) => uuid === wanted || parentUuid === wanted)
    return gpuUuids
      .filter((wanted) => !has(wanted))
      .map((uuid) => `The GPU ${uuid}, which this node is to offer, is not there.`)
  }

  async #withForeign(reading: GpuReading): Promise<GpuReading> {
    if (reading.kind !== 'read') return reading
    const pids = [...new Set(reading.gpus.flatMap(({ processes }) => processes.map(({ pid }) => pid)))]
    const owned = pids.length === 0 ? new Set<number>() : await this.#parts.ownership.owned(pids)
    const unseen = new Set(pids.filter((pid) => !owned.has(pid) && !isVisible(pid)))
    const isForeign = (pid: number) => !owned.has(pid) && (!unseen.has(pid) || this.#unseenPids.has(pid))
    const gpus = reading.gpus.map((gpu) => {
      const foreign = gpu.processes.filter(({ pid }) => isForeign(pid))
      if (foreign.length === 0 || gpu.hindrance !== '') return gpu
      return { ...gpu, hindrance: foreignReason(foreign) }
    })
    this.#unseenPids = unseen
    return { ...reading, gpus }
  }

  /** Hardware may have been taken out while the machine was off; what a run still holds stays. */
  #forgetUnseen(reading: GpuReading, held: ReadonlySet<string>): void {
    this.#anewBooted = false
    const uuids = new Set(reading.kind === 'read' ? reading.gpus.map(({ uuid }) => uuid) : [])
    const stays = ({ uuid }: KnownGpu) => uuids.has(uuid) || held.has(uuid)
    const gone = this.#known.filter((gpu) => !stays(gpu))
    this.#known = this.#known.filter(stays)
    this.#goneAtStart = gone
      .filter(({ parentUuid }) => parentUuid === '')
      .map(
        ({ uuid, model }) =>
          `The GPU ${uuid} (${model}) was there before the machine was started anew and is not there now.`,
      )
  }

  async #load(): Promise<void> {
    if (this.#loaded) return
    const kept = await keptGpus(this.#settings.keptFile)
    this.#known = kept?.gpus ?? []
    this.#anewBooted = kept !== undefined && kept.bootId !== this.#settings.bootId
    this.#kept = JSON.stringify(kept ?? { bootId: this.#settings.bootId, gpus: [] })
    this.#loaded = true
  }

  /** Until the GPUs were read after a start of the machine they are those of the time before. */
  async #keep(): Promise<void> {
    if (this.#anewBooted) return
    const { keptFile, bootId } = this.#settings
    const kept = { bootId, gpus: this.#known.map((gpu) => ({ ...gpu, cleanSinceMs: undefined })) }
    const content = JSON.stringify(kept)
    if (content === this.#kept) return
    await keepGpus(keptFile, kept).then(
      () => {
        this.#kept = content
      },
      (error: unknown) =>
        this.#parts.log.warn('What is known of GPUs can not be kept', { reason: messageOf(error) }),
    )
  }
}

function warningsOf(reading: GpuReading): readonly string[] {
  if (reading.kind === 'read') return reading.warnings
  return reading.kind === 'failed' ? [reading.reason] : []
}

function inventoryGpu(gpu: KnownGpu, returnAfterMs: number): InventoryGpu {
  const { uuid, model, memoryBytes, parentUuid } = gpu
  return { uuid, model, memoryBytes, parentUuid, unusableReason: unusableReason(gpu, returnAfterMs) }
}
