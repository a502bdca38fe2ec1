import type { Task } from './runtime.js'

/**
 * The variable that shows a task its own GPUs where no container does. A user's CUDA_VISIBLE_DEVICES counts among the
 * task's own: `1` is the second of its GPUs. As in CUDA, the list ends at the first entry that names none.
 */
export function visibleGpus(task: Pick<Task, 'env' | 'gpuUuids'>): Readonly<Record<string, string>> {
  const wanted = task.env.CUDA_VISIBLE_DEVICES?.split(',').map((entry) => entry.trim())
  const uuids = (wanted ?? task.gpuUuids).map((entry) => ownGpu(entry, task.gpuUuids))
  const end = uuids.indexOf(undefined)
  return { CUDA_VISIBLE_DEVICES: (end < 0 ? uuids : uuids.slice(0, end)).join(',') }
}

/** `entry` is an index or, as CUDA allows, the beginning of a UUID. */
function ownGpu(entry: string, own: readonly string[]): string | undefined {
  if (/^\d+$/.test(entry)) return own[Number(entry)]
  return entry === '' ? undefined : own.find((uuid) => uuid.startsWith(entry))
}
