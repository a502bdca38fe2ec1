import type { MachineRequest } from '../../proto/model/run-spec.js'
import { comparable, cpuType, type Demand, demandOf, type ModelNames } from './machine-types.js'

/** `machine-type/<compared form>`: a type that an administrator has made. Only its limit changes. */
export interface MadeType {
  /** As the administrator wrote it. */
  readonly name: string
  /** As the cluster writes it; empty: any model. */
  readonly gpuModel: string
  readonly gpuCount: number
  /** 0: by the rule of derived types. */
  readonly milliCpus: number
  readonly memoryBytes: number
  /** Of disk that must be free, and what a run that says nothing may write; 0: as everywhere. */
  readonly storageBytes: number
  /** That a node must have. */
  readonly labels: readonly string[]
  /** Of runs at once; 0: none. */
  readonly limit: number
  /** Its machines may go at any time: its runs are repeated unless they say otherwise. */
  readonly spot: boolean
  readonly defaultAutoResume: boolean
  readonly by: string
  readonly createdAtMs: number
}

/** By compared form. */
export type MadeTypes = ReadonlyMap<string, MadeType>

/** undefined: no such type. A made type comes before a derived one of its name, which may have come later. */
export function demandFor(request: MachineRequest, names: ModelNames, made: MadeTypes): Demand | undefined {
  const type = madeTypeFor(request, made)
  return type ? madeDemand(type) : demandOf(request, names)
}

export function madeTypeFor(request: MachineRequest, made: MadeTypes): MadeType | undefined {
  return request.kind === 'type' ? made.get(comparable(request.name)) : undefined
}

export function madeDemand(type: MadeType): Demand {
  return {
    key: madeKey(type.name),
    typeName: type.name,
    gpuCount: type.gpuCount,
    gpuModels: type.gpuModel === '' ? [] : [comparable(type.gpuModel)],
    gpuMemoryBytes: 0,
    milliCpus: type.milliCpus || undefined,
    memoryBytes: type.memoryBytes || undefined,
    diskBytes: type.storageBytes,
    labels: type.labels,
  }
}

/** Of the demands of a made type. */
export function madeKey(name: string): string {
  return `made ${comparable(name)}`
}

/** Whether lost runs of the type are repeated where they say nothing themselves. */
export function repeatsByDefault(type: MadeType | undefined): boolean {
  return type !== undefined && (type.spot || type.defaultAutoResume)
}

/** Why a type may not have this name; undefined: it may. */
export function nameRefusal(name: string, names: ModelNames, made: MadeTypes): string | undefined {
  if (!/^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,62}$/.test(name) || comparable(name) === '')
    return 'The name of a machine type has 1 to 63 letters, digits, blanks and - . _ +, the first a letter or a digit.'
  const other = made.get(comparable(name))
  if (other) return `There is a machine type ${other.name} already.`
  const derived = demandOf({ kind: 'type', name }, names)
  if (!derived) return undefined
  const what = derived.typeName === cpuType.name ? 'the type of runs without GPUs' : 'a type of its GPUs'
  return `The name ${name} is taken: every cluster has ${derived.typeName}, ${what}.`
}
