import type { InventoryGpu } from '../../proto/model/link.js'

export interface Holder {
  readonly runId: number
  /** Of the attempt. */
  readonly key: string
}

/** Which attempt holds a device, wherever in the pool it may be, and which GPUs are held in part. */
export class HeldDevices {
  readonly #held = new Map<string, Holder>()
  /** Of every MIG device that any node has ever shown. */
  readonly #wholes = new Map<string, string>()
  /** By GPU: the MIG devices of it that are held. */
  readonly #parts = new Map<string, Set<string>>()

  /** Nodes show which device is a part of which: that stays true, also when a node does not show it any more. */
  learn(gpus: readonly InventoryGpu[]): void {
    for (const { uuid, parentUuid } of gpus) {
      if (parentUuid === '' || this.#wholes.get(uuid) === parentUuid) continue
      this.#wholes.set(uuid, parentUuid)
      if (this.#held.has(uuid)) this.#partOf(parentUuid).add(uuid)
    }
  }

  hold(uuid: string, holder: Holder): void {
    this.#held.set(uuid, holder)
    const whole = this.#wholes.get(uuid)
    if (whole !== undefined) this.#partOf(whole).add(uuid)
  }

  release(uuid: string, key: string): void {
    if (this.#held.get(uuid)?.key !== key) return
    this.#held.delete(uuid)
    const whole = this.#wholes.get(uuid) ?? ''
    const parts = this.#parts.get(whole)
    if (parts?.delete(uuid) && parts.size === 0) this.#parts.delete(whole)
  }

  holder(uuid: string): Holder | undefined {
    return this.#held.get(uuid)
  }

  /** The GPU that it is a part of, or itself. */
  wholeOf(uuid: string): string {
    return this.#wholes.get(uuid) ?? uuid
  }

  /** A device is free when neither it, nor what it is a slice of, nor a slice of it is held. */
  isFree(uuid: string): boolean {
    const whole = this.#wholes.get(uuid)
    return !this.#held.has(uuid) && !this.#parts.has(uuid) && !(whole !== undefined && this.#held.has(whole))
  }

  #partOf(whole: string): Set<string> {
    const parts = this.#parts.get(whole) ?? new Set()
    this.#parts.set(whole, parts)
    return parts
  }
}
