import type { MadeMachineType__Output } from '../../proto/gen/spell/v1/MadeMachineType.js'
import { labelRefusal } from './submit-rules.js'

const mostGpus = 64
const mostCpus = 10_000
/** An engine refuses a container with less. */
const leastMemoryBytes = 6 * 1024 ** 2
const mostMemoryBytes = 1024 ** 5
const mostStorageBytes = 1e15

/** Why an administrator may not make such a type; undefined: nothing is wrong with its numbers and labels. */
export function typeRefusal(wire: MadeMachineType__Output): string | undefined {
  const { gpuCount, cpus, memoryBytes, storageBytes, labels } = wire
  if (gpuCount > mostGpus) return `A machine type has at most ${mostGpus} GPUs.`
  if (cpus !== 0 && !(cpus >= 0.001 && cpus <= mostCpus))
    return `The cores of a machine type are a number from 0.001 to ${mostCpus}.`
  if (memoryBytes !== 0 && !(memoryBytes >= leastMemoryBytes && memoryBytes <= mostMemoryBytes))
    return 'The memory of a machine type is between 6 MiB and 1 PiB.'
  if (!(storageBytes >= 0 && storageBytes <= mostStorageBytes))
    return 'The disk of a machine type is at most 1,000,000 GB.'
  if (labels.length > 16) return 'A machine type asks for at most 16 labels.'
  for (const label of labels) {
    const refusal = labelRefusal(label)
    if (refusal !== undefined) return refusal
  }
  return undefined
}
