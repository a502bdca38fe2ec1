import type { MachineRequest } from '../../proto/model/run-spec.js'
import { gpuFamily, knownGpuModels } from './gpu-models.js'

// What a run asks of a machine. Types are derived from what nodes bring, by one rule:
//
// - `CPU` is 2 cores and 8 GB, or what the smallest node can give where that is less.
// - A GPU's model (gpu-models.ts) is a type, and so are its multiples: V100, V100x2, V100x4 … They come with that share of
//   what their node has for runs with GPUs (node-parts.ts): two of eight GPUs bring a quarter. A model without the size of its memory means any
//   size (V100 fits V100-16GB and V100-32GB, one sort at a time).
// - Names are compared without case, blanks, dashes and underscores.
//
// A name is known if it is CPU, or a model of knownGpuModels or one that any node of the pool has ever brought, with or
// without a multiple of 1 to 64. What is not known is refused at Submit; what is known but nowhere now is accepted and
// waits.

/** What a request needs, in a form that nodes can be compared with. Runs of one key are interchangeable. */
export interface Demand {
  readonly key: string
  /** As the cluster writes it; for people. */
  readonly typeName: string
  readonly gpuCount: number
  /** Compared forms of the models wanted, any of them; empty with gpuCount > 0: any model. */
  readonly gpuModels: readonly string[]
  readonly gpuMemoryBytes: number
  /** Asked by number; undefined: by the type's rule. */
  readonly milliCpus: number | undefined
  readonly memoryBytes: number | undefined
  /** Of disk that must be free; 0: any. */
  readonly diskBytes: number
  /** That the node must have. */
  readonly labels: readonly string[]
}

export const cpuType = { name: 'CPU', milliCpus: 2_000, memoryBytes: 8_000_000_000 } as const

const largestMultiple = 64

/** The form in which names of types are compared. */
export function comparable(name: string): string {
  return name.toLowerCase().replace(/[\s\-_]+/g, '')
}

/** Names of models by their compared form. */
export type ModelNames = ReadonlyMap<string, string>

/** The models known to a pool whose nodes have brought these types of GPU. */
export function modelNames(seen: Iterable<string>): ModelNames {
  const names = new Map<string, string>()
  for (const name of [...knownGpuModels, ...seen]) {
    const family = gpuFamily(name)
    if (!names.has(comparable(family))) names.set(comparable(family), family)
    if (!names.has(comparable(name))) names.set(comparable(name), name)
  }
  return names
}

/** undefined: no such type; see nearNames. */
export function demandOf(request: MachineRequest, names: ModelNames): Demand | undefined {
  if (request.kind === 'capability') return capabilityDemand(request)
  const asked = comparable(request.name)
  if (asked === '' || asked === 'cpu') return typeDemand(cpuType.name, 0)
  const whole = names.get(asked)
  if (whole !== undefined) return typeDemand(whole, 1)
  const parts = /^(.+)x(\d{1,2})$/.exec(asked)
  const count = Number(parts?.[2])
  const model = names.get(parts?.[1] ?? '')
  if (model === undefined || !(count >= 1 && count <= largestMultiple)) return undefined
  return typeDemand(model, count)
}

function typeDemand(model: string, gpuCount: number): Demand {
  const typeName = gpuCount > 1 ? `${model}x${gpuCount}` : model
  return {
    key: comparable(typeName),
    typeName,
    gpuCount,
    gpuModels: gpuCount > 0 ? [comparable(model)] : [],
    gpuMemoryBytes: 0,
    milliCpus: undefined,
    memoryBytes: undefined,
    diskBytes: 0,
    labels: [],
  }
}

function capabilityDemand(request: Extract<MachineRequest, { kind: 'capability' }>): Demand {
  const gpuModels = request.gpuModels.map(comparable).sort()
  const milliCpus = request.cpus > 0 ? Math.ceil(request.cpus * 1000) : undefined
  const memoryBytes = request.memoryBytes > 0 ? request.memoryBytes : undefined
  const { gpuCount, gpuMemoryBytes, diskBytes } = request
  const labels = [...request.nodeLabels].sort()
  const typeName = [
    gpuCount > 0
      ? `${gpuCount} GPU${gpuModels.length > 0 ? ` (${request.gpuModels.join(' or ')})` : ''}`
      : '',
    milliCpus === undefined ? '' : `${milliCpus / 1000} cores`,
    memoryBytes === undefined ? '' : `${Math.round(memoryBytes / 1e9)} GB`,
  ]
    .filter((part) => part !== '')
    .join(', ')
  const needs = { gpuCount, gpuModels, gpuMemoryBytes, milliCpus, memoryBytes, diskBytes, labels }
  return { key: `capability ${JSON.stringify(needs)}`, typeName: typeName || cpuType.name, ...needs }
}

/** What the pool writes for a request that no rule understands any more: it waits, and says so. */
export function unknownDemand(typeName: string): Demand {
  return { ...typeDemand(typeName, 1), typeName }
}

/** Whether a device of this type is one that the demand would take. */
export function takesGpu(
  demand: Demand,
  gpu: { readonly type: string; readonly memoryBytes: number },
): boolean {
  if (gpu.memoryBytes < demand.gpuMemoryBytes) return false
  if (demand.gpuModels.length === 0) return true
  const [exact, family] = [comparable(gpu.type), comparable(gpuFamily(gpu.type))]
  return demand.gpuModels.some((model) => model === exact || model === family)
}

/** Known names that someone who wrote `name` may have meant, the nearest first; at most 5. */
export function nearNames(name: string, names: ModelNames): readonly string[] {
  const asked = comparable(name).replace(/x\d+$/, '')
  return [[comparable(cpuType.name), cpuType.name] as const, ...names]
    .map(([form, written]) => ({ written, distance: nearness(asked, form) }))
    .filter(({ distance }) => distance <= 2)
    .sort((a, b) => a.distance - b.distance || (a.written < b.written ? -1 : 1))
    .slice(0, 5)
    .map(({ written }) => written)
}

/** Edit distance, but a beginning of a name counts as 1 away from it. */
function nearness(asked: string, form: string): number {
  if (asked.length >= 2 && form.startsWith(asked)) return 1
  const limit = Math.min(2, Math.ceil(Math.max(asked.length, 1) / 2))
  const distance = editDistance(asked, form)
  return distance <= limit ? distance : Number.POSITIVE_INFINITY
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
