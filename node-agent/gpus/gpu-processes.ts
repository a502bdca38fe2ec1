import { type Section, sectionAt, valueAt } from './smi-section.js'
import { countIn } from './smi-values.js'

/** A process that computes on a GPU. */
export interface GpuProcess {
  readonly pid: number
  /** As the driver names it: a path, or what it says where it does not know. */
  readonly name: string
  /** Of the MIG device; empty: the whole GPU, or not told. */
  readonly instance: string
}

/** Those that compute; what only draws (type G), displays and the MPS server take nothing away from a run. */
export function processesOf(gpu: Section): readonly GpuProcess[] {
  const found = (sectionAt(gpu, 'processes')?.sections ?? []).reduce<GpuProcess[]>(
    (list, entry, index, all) => {
      const inXml = entry.name === 'process_info'
      if (!inXml && entry.name !== 'process_id') return list
      const pid = countIn(inXml ? valueAt(entry, 'pid') : entry.value)
      const type = valueAt(entry, 'type') ?? ''
      const name = valueAt(entry, inXml ? 'process_name' : 'name') ?? ''
      const instance = inXml
        ? instanceOf(valueAt(entry, 'gpu_instance_id'), valueAt(entry, 'compute_instance_id'))
        : instanceOf(
            valueBefore(all, index, 'gpu_instance_id'),
            valueBefore(all, index, 'compute_instance_id'),
          )
      if (pid !== undefined && type.includes('C') && !isDisplay(name)) list.push({ pid, name, instance })
      return list
    },
    [],
  )
  return found
}

/** `3/0`: the name of a MIG device within its GPU. */
export function instanceOf(gpuInstance: string | undefined, computeInstance: string | undefined): string {
  if (countIn(gpuInstance) === undefined) return ''
  return `${gpuInstance}/${countIn(computeInstance) ?? 0}`
}

/** The text form names the instance in lines before the process. */
function valueBefore(all: readonly Section[], index: number, name: string): string | undefined {
  for (const each of all.slice(Math.max(0, index - 2), index).reverse()) {
    if (each.name === 'process_id') return undefined
    if (each.name === name) return each.value
  }
  return undefined
}

function isDisplay(name: string): boolean {
  const program = name.trim().split(/\s/)[0]?.split('/').at(-1) ?? ''
  return /^(x(org|wayland)(\.bin)?|gnome-shell|kwin(_x11|_wayland)?|sddm|gdm\S*|mutter|weston|nvidia-cuda-mps-server)$/i.test(
    program,
  )
}
