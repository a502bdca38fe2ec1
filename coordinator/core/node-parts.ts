// On a node with GPUs a part of cores and memory is set aside for runs without GPUs, and the runs with GPUs share the rest
// by their number of GPUs: so neither kind starves the other, whichever came first. A node without GPUs is for runs without
// GPUs as a whole.

/** Cores and memory. */
export interface Share {
  readonly milliCpus: number
  readonly memoryBytes: number
}

export type RunKind = 'cpu' | 'gpu'

/** What runs of each kind may take of a node altogether. */
export type Parts = Readonly<Record<RunKind, Share>>

/** Of a node's cores and memory, where the cluster's setting `cpu-share` says nothing. */
export const defaultCpuShare = 0.25

export const nothing: Share = { milliCpus: 0, memoryBytes: 0 }

export function partsOf(whole: Share, gpuCount: number, cpuShare: number): Parts {
  if (gpuCount === 0) return { cpu: whole, gpu: nothing }
  const cpu = {
    milliCpus: Math.floor(whole.milliCpus * cpuShare),
    memoryBytes: Math.floor(whole.memoryBytes * cpuShare),
  }
  return { cpu, gpu: minus(whole, cpu) }
}

export function plus(a: Share, b: Share): Share {
  return { milliCpus: a.milliCpus + b.milliCpus, memoryBytes: a.memoryBytes + b.memoryBytes }
}

export function minus(a: Share, b: Share): Share {
  return { milliCpus: a.milliCpus - b.milliCpus, memoryBytes: a.memoryBytes - b.memoryBytes }
}

export function smaller(a: Share, b: Share): Share {
  return {
    milliCpus: Math.min(a.milliCpus, b.milliCpus),
    memoryBytes: Math.min(a.memoryBytes, b.memoryBytes),
  }
}
