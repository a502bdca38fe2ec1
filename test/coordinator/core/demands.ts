import { type Demand, demandOf, modelNames } from '../../../coordinator/core/machine-types.js'
import type { MadeType } from '../../../coordinator/core/made-types.js'

const names = modelNames(['A100-80GB-1g.10gb'])

export function demand(name: string): Demand {
  const found = demandOf({ kind: 'type', name }, names)
  if (!found) throw new Error(name)
  return found
}

export function made(changes: Partial<MadeType> & Pick<MadeType, 'name'>): MadeType {
  return {
    ...{ gpuModel: '', gpuCount: 0, milliCpus: 1_000, memoryBytes: 1e9, storageBytes: 0, labels: [] },
    ...{ limit: 0, spot: false, defaultAutoResume: false, by: 'root', createdAtMs: 1 },
    ...changes,
  }
}
