import type { InventoryGpu } from '../../proto/model/link.js'

/** When a node first showed each of its GPUs, by UUID: leader's wall clock. */
export type GpuSince = Readonly<Record<string, number>>

/** The GPU that a device is or is a part of: a slice goes where its GPU goes. */
export function wholeGpu(gpu: Pick<InventoryGpu, 'uuid' | 'parentUuid'>): string {
  return gpu.parentUuid === '' ? gpu.uuid : gpu.parentUuid
}

/** What the record of a node that shows these GPUs now says of them. */
export function gpuSince(
  gpus: readonly InventoryGpu[],
  before: GpuSince | undefined,
  nowMs: number,
): GpuSince {
  const uuids = [...new Set(gpus.map(wholeGpu))].sort()
  return Object.fromEntries(uuids.map((uuid) => [uuid, before?.[uuid] ?? nowMs]))
}

/**
 * To which node each GPU belongs: of those that show it the one that did so first, ties by id. It follows from the nodes'
 * records alone, whatever their order.
 */
export class GpuOwners {
  /** By GPU: who shows it, since when. */
  readonly #claims = new Map<string, Map<string, number>>()
  readonly #byNode = new Map<string, ReadonlySet<string>>()

  /** The node shows these now, and no others. Gives every other node for which that may change something. */
  claim(nodeId: string, uuids: ReadonlySet<string>, since: GpuSince): ReadonlySet<string> {
    const concerned = new Set<string>()
    for (const uuid of this.#byNode.get(nodeId) ?? []) {
      const claims = this.#claims.get(uuid)
      claims?.delete(nodeId)
      if (claims?.size === 0) this.#claims.delete(uuid)
      for (const other of claims?.keys() ?? []) concerned.add(other)
    }
    for (const uuid of uuids) {
      const claims = this.#claims.get(uuid) ?? new Map<string, number>()
      for (const other of claims.keys()) concerned.add(other)
      this.#claims.set(uuid, claims.set(nodeId, since[uuid] ?? 0))
    }
    if (uuids.size > 0) this.#byNode.set(nodeId, uuids)
    else this.#byNode.delete(nodeId)
    return concerned
  }

  ownerOf(uuid: string): string | undefined {
    let owner: string | undefined
    let first = Number.POSITIVE_INFINITY
    for (const [nodeId, since] of this.#claims.get(uuid) ?? []) {
      if (since > first || (since === first && owner !== undefined && owner < nodeId)) continue
      owner = nodeId
      first = since
    }
    return owner
  }

  /** Every node that shows it. */
  shownBy(uuid: string): readonly string[] {
    return [...(this.#claims.get(uuid)?.keys() ?? [])]
  }
}
