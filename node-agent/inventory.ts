import { statfs } from 'node:fs/promises'
import type { Clock, Timer } from '../common/clock.js'
import { messageOf } from '../common/errors.js'
import type { Log } from '../common/log.js'
import type { Inventory, InventoryGpu } from '../proto/model/link.js'
import { keepInventory, keptInventory } from './kept-inventory.js'
import { isUnavailable } from './retry.js'
import type { Runtime } from './runtimes/runtime.js'

export interface InventorySettings {
  readonly dataDir: string
  /** What the node offers, where that is not what the machine has. */
  readonly cpus: number | undefined
  readonly memoryBytes: number | undefined
  readonly everyMs: number
  /** Where what was found is kept for the next start. */
  readonly keptFile: string
}

export interface FoundGpus {
  readonly gpus: readonly InventoryGpu[]
  readonly warnings: readonly string[]
  /** Of the GPUs' driver, where there are any and it tells. */
  readonly driverVersion?: string
}

export interface InventoryParts {
  readonly runtime: Runtime
  readonly findGpus: (signal: AbortSignal, held: ReadonlySet<string>) => Promise<FoundGpus>
  /** UUIDs of the devices that attempts of this node hold. */
  readonly heldGpus: () => ReadonlySet<string>
  readonly clock: Clock
  readonly log: Log
  readonly onChange: (inventory: Inventory) => void
}

/** A smaller change of the free space is not worth a message. */
const diskStepShare = 0.1
/** So long whoever lets callers wait is waited for at a start, where what he said before is known. */
const startPatienceMs = 5_000
const notLookedAt = 'It was not looked at since the agent was started: nvidia-smi has yet to answer.'

/** What this machine is: looked at now and then, told when it changes. */
export class InventoryWatch {
  readonly #settings: InventorySettings
  readonly #parts: InventoryParts
  readonly #stopped = new AbortController()
  #told: Inventory | undefined
  #timer: Timer | undefined

  constructor(settings: InventorySettings, parts: InventoryParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /** As last told; there is one once `start` has resolved. */
  get current(): Inventory {
    if (!this.#told) throw new Error('Invariant broken: the inventory was not taken yet')
    return this.#told
  }

  /**
   * What was last found here counts until the runtime answers: reports, outputs and the fence need no runtime, and must not
   * wait for it. Throws what it says when it can't be asked and nothing is kept.
   */
  async start(): Promise<void> {
    const { keptFile } = this.#settings
    const kept = await keptInventory(keptFile, this.#parts.runtime.name)
    const patience = AbortSignal.timeout(startPatienceMs)
    const signal = kept ? AbortSignal.any([this.#stopped.signal, patience]) : this.#stopped.signal
    try {
      await this.#remember(await this.#take(signal, kept))
    } catch (error) {
      if (!kept || !(patience.aborted || isUnavailable(error))) throw error
      this.#told = this.#withWarning(kept, error)
      this.#parts.log.warn('The runtime does not answer; the node is what it was', { error })
    }
    this.#again()
  }

  stop(): void {
    this.#timer?.cancel()
    this.#stopped.abort()
  }

  #again(): void {
    this.#timer = this.#parts.clock.timer(this.#settings.everyMs, () => {
      this.#look()
        .catch((error: unknown) =>
          this.#parts.log.warn('What the machine has can not be found out', { error }),
        )
        .finally(() => {
          if (!this.#stopped.signal.aborted) this.#again()
        })
    })
  }

  async #look(): Promise<void> {
    const taken = await this.#takeOrWarn()
    if (!this.#told || !differs(taken, this.#told)) return
    await this.#remember(taken)
    this.#parts.onChange(taken)
  }

  /** While the engine is away the node stays what it was, with a warning. */
  async #takeOrWarn(): Promise<Inventory> {
    try {
      return await this.#take(this.#stopped.signal)
    } catch (error) {
      return this.#withWarning(this.current, error)
    }
  }

  #withWarning(before: Inventory, error: unknown): Inventory {
    const warning = `The ${this.#parts.runtime.name} runtime does not answer: ${messageOf(error)}`
    return {
      ...before,
      warnings: [...before.warnings.filter((line) => !line.includes('does not answer')), warning],
    }
  }

  /** `signal`: how long the runtime is waited for. With `kept` nvidia-smi is not waited for either. */
  async #take(signal: AbortSignal, kept?: Inventory): Promise<Inventory> {
    const { runtime } = this.#parts
    const facts = await runtime.describe(signal)
    const found = await this.#gpus(kept)
    const disk = await statfs(this.#settings.dataDir)
    const offered = offer(this.#settings, facts)
    return {
      runtime: runtime.name,
      runtimeVersion: facts.version,
      cpus: offered.cpus,
      memoryBytes: offered.memoryBytes,
      diskFreeBytes: disk.bavail * disk.bsize,
      gpus: found.gpus,
      ...(found.driverVersion !== undefined && { gpuDriverVersion: found.driverVersion }),
      warnings: [...facts.warnings, ...found.warnings, ...offered.warnings],
    }
  }

  async #gpus(kept: Inventory | undefined): Promise<FoundGpus> {
    const { findGpus, heldGpus, clock } = this.#parts
    const finding = findGpus(this.#stopped.signal, heldGpus())
    if (!kept) return await finding
    const over = new AbortController()
    const late = clock.sleep(startPatienceMs, over.signal).catch(() => undefined)
    const found = await Promise.race([finding, late])
    over.abort()
    if (found) return found
    finding
      .then(() => this.#look())
      .catch((error: unknown) => {
        if (!this.#stopped.signal.aborted)
          this.#parts.log.warn('The GPUs can not be looked at', { reason: messageOf(error) })
      })
    return {
      gpus: kept.gpus.map((gpu) => ({ ...gpu, unusableReason: gpu.unusableReason || notLookedAt })),
      warnings: [],
    }
  }

  async #remember(inventory: Inventory): Promise<void> {
    this.#told = inventory
    await keepInventory(this.#settings.keptFile, inventory).catch((error: unknown) =>
      this.#parts.log.warn('What the machine has can not be kept', { error }),
    )
  }
}

function offer(
  settings: InventorySettings,
  facts: { readonly cpus: number; readonly memoryBytes: number },
): { readonly cpus: number; readonly memoryBytes: number; readonly warnings: readonly string[] } {
  const cpus = settings.cpus ?? facts.cpus
  const memoryBytes = settings.memoryBytes ?? facts.memoryBytes
  const warnings: string[] = []
  if (cpus > facts.cpus) warnings.push(`The node offers ${cpus} cores; the machine has ${facts.cpus}.`)
  if (memoryBytes > facts.memoryBytes)
    warnings.push(`The node offers ${memoryBytes} bytes of memory; the machine has ${facts.memoryBytes}.`)
  return { cpus, memoryBytes, warnings }
}

function differs(taken: Inventory, told: Inventory): boolean {
  const step = Math.abs(taken.diskFreeBytes - told.diskFreeBytes)
  if (step > told.diskFreeBytes * diskStepShare) return true
  return JSON.stringify({ ...taken, diskFreeBytes: 0 }) !== JSON.stringify({ ...told, diskFreeBytes: 0 })
}
