import type { ClusterPlan } from './plan-file.js'

/** What the machine has. */
export interface Machine {
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpuUuids: readonly string[]
}

/** What one node offers. */
export interface Share {
  readonly cpus: number
  readonly memoryBytes: number
  readonly gpuUuids: readonly string[]
}

const mebibyte = 1024 ** 2

/**
 * Cores and memory in equal parts, unless the plan says what each node offers; GPUs one after the other, each to one node.
 * Parts are rounded down: to a hundredth of a core, to a MiB.
 */
export function shareOut(
  machine: Machine,
  plan: Pick<ClusterPlan, 'nodes' | 'cpus' | 'memoryBytes'>,
): readonly Share[] {
  const cpus = plan.cpus ?? Math.floor((machine.cpus / plan.nodes) * 100) / 100
  const memoryBytes = plan.memoryBytes ?? Math.floor(machine.memoryBytes / plan.nodes / mebibyte) * mebibyte
  return Array.from({ length: plan.nodes }, (_, index) => ({
    cpus,
    memoryBytes,
    gpuUuids: machine.gpuUuids.filter((_uuid, at) => at % plan.nodes === index),
  }))
}

/** A sentence for each thing of which the nodes together offer more than there is. */
export function overCommitted(machine: Machine, shares: readonly Share[]): readonly string[] {
  const cpus = shares.reduce((sum, share) => sum + share.cpus, 0)
  const memory = shares.reduce((sum, share) => sum + share.memoryBytes, 0)
  const warnings: string[] = []
  if (cpus > machine.cpus)
    warnings.push(
      `The nodes offer ${round(cpus)} cores, this machine has ${machine.cpus}: runs will share them.`,
    )
  if (memory > machine.memoryBytes)
    warnings.push(
      `The nodes offer ${gibibytes(memory)} of memory, this machine has ${gibibytes(machine.memoryBytes)}: runs may end for lack of it.`,
    )
  return warnings
}

const round = (value: number): number => Math.round(value * 100) / 100
const gibibytes = (bytes: number): string => `${round(bytes / 1024 ** 3)} GiB`
