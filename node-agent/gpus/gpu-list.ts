import { type GpuProcess, instanceOf, processesOf } from './gpu-processes.js'
import { troubleOf, troubleOfPart, uncorrectableEver } from './gpu-troubles.js'
import { isGpu, type Section, sectionAt, valueAt } from './smi-section.js'
import { busIdIn, bytesIn, isError, isNotTold, isUuid } from './smi-values.js'

/** A device that can be given to a run, as one look at nvidia-smi shows it. */
export interface SeenGpu {
  readonly uuid: string
  /** As the driver names it; empty: it does not. */
  readonly model: string
  /** 0: not told. */
  readonly memoryBytes: number
  /** Of a MIG device. */
  readonly parentUuid: string
  /** Place on the bus as `0000:cb:00`, a MIG device's is its GPU's; empty: not told. */
  readonly busId: string
  /** Something is wrong with it; empty: nothing. */
  readonly trouble: string
  /** Why it can't be given to runs though nothing is wrong with it; empty: it can. */
  readonly hindrance: string
  /** Errors that could not be corrected, over its whole life; undefined: not counted. */
  readonly uncorrectable: number | undefined
  readonly processes: readonly GpuProcess[]
}

export interface SeenGpus {
  readonly gpus: readonly SeenGpu[]
  /** GPUs that are divided, and whether all their parts are among `gpus`. */
  readonly divided: ReadonlyMap<string, 'told' | 'untold'>
  /** By place on the bus, what the driver says instead of showing a GPU. */
  readonly lost: ReadonlyMap<string, string>
  readonly warnings: readonly string[]
}

/** The name and UUID of a MIG device, which only `nvidia-smi -L` tells. */
export interface MigName {
  readonly parentUuid: string
  readonly index: string
  readonly profile: string
  readonly uuid: string
}

/** Whether any GPU of the report is divided, so that the names of its parts are wanted. */
export function hasMigDevices(report: readonly Section[]): boolean {
  return report.some((section) => isGpu(section) && isDivided(section))
}

/** Lines of `nvidia-smi -L`: GPUs, and the MIG devices of each. */
export function parseList(output: string): {
  readonly uuids: readonly string[]
  readonly migNames: readonly MigName[]
} {
  const uuids: string[] = []
  const migNames = output.split(/\r?\n/).flatMap((line) => {
    const whole = /^GPU \d+: .*\(UUID: ([^\s)]+)\)/.exec(line)?.[1]
    if (whole !== undefined && isUuid(whole)) uuids.push(whole)
    const { profile, index, uuid } =
      /^\s+MIG (?<profile>\S+)\s+Device\s+(?<index>\d+): \(UUID: (?<uuid>[^\s)]+)\)/.exec(line)?.groups ?? {}
    const parentUuid = uuids.at(-1) ?? ''
    return profile && index && uuid && isUuid(uuid) ? [{ parentUuid, index, profile, uuid }] : []
  })
  return { uuids, migNames }
}

/** The devices that can be given to runs: whole GPUs, and of a divided one its parts instead. */
export function gpusOf(report: readonly Section[], migNames: readonly MigName[]): SeenGpus {
  const gpus = new Map<string, SeenGpu>()
  const divided = new Map<string, 'told' | 'untold'>()
  const lost = new Map<string, string>()
  const warnings: string[] = []
  for (const section of report.filter(isGpu)) {
    const whole = wholeGpu(section)
    if (!isUuid(whole.uuid)) {
      const said = isNotTold(whole.uuid) ? 'no answer' : whole.uuid
      const where = whole.busId || 'at an unknown place'
      warnings.push(`A GPU (${where}) does not tell its UUID and is left out: ${said}.`)
      if (whole.busId !== '') lost.set(whole.busId, `It does not tell its UUID: ${said}.`)
      continue
    }
    const parts = isDivided(section) ? partsOf(section, whole, migNames) : undefined
    const shown = migSections(section).length
    if (parts) divided.set(whole.uuid, parts.length >= Math.max(1, shown) ? 'told' : 'untold')
    for (const gpu of parts && parts.length > 0 ? parts : [parts ? withoutParts(whole) : whole]) {
      if (gpu.memoryBytes === 0 && gpu.trouble === '')
        warnings.push(`${gpu.uuid} does not tell how much memory it has.`)
      if (gpus.has(gpu.uuid)) warnings.push(`nvidia-smi shows ${gpu.uuid} twice.`)
      else gpus.set(gpu.uuid, gpu)
    }
  }
  return { gpus: [...gpus.values()], divided, lost, warnings: [...warnings, ...oddCells(report)] }
}

function wholeGpu(section: Section): SeenGpu {
  const memory = valueAt(section, 'fb_memory_usage', 'total') ?? ''
  const model = valueAt(section, 'product_name') ?? ''
  const trouble = troubleOf(section)
  const unreadable = [
    ...(isError(model) ? [`It does not tell its model: ${model}.`] : []),
    ...(isError(memory) ? [`It does not tell its memory: ${memory}.`] : []),
  ][0]
  return {
    uuid: valueAt(section, 'uuid') ?? '',
    model: isError(model) || isNotTold(model) ? '' : model,
    memoryBytes: bytesIn(memory) ?? 0,
    parentUuid: '',
    busId:
      busIdIn(valueAt(section, 'pci', 'pci_bus_id') ?? valueAt(section, 'pci', 'bus_id')) ||
      busIdIn(valueAt(section, 'place')),
    trouble: trouble || (unreadable ?? ''),
    hindrance: '',
    uncorrectable: uncorrectableEver(section),
    processes: processesOf(section),
  }
}

function isDivided(section: Section): boolean {
  const mode = sectionAt(section, 'mig_mode')
  return (valueAt(mode, 'current_mig') ?? valueAt(mode, 'current')) === 'Enabled'
}

/** A divided GPU whose parts have no name is there and gets no runs. */
function withoutParts(whole: SeenGpu): SeenGpu {
  return { ...whole, hindrance: 'MIG is on, and it has no MIG devices that tell their UUID.' }
}

/** The parts that `-L` names; a table does not have them, so that their size is what the profile says. */
function partsOf(section: Section, whole: SeenGpu, migNames: readonly MigName[]): readonly SeenGpu[] {
  const devices = migSections(section)
  return migNames
    .filter(({ parentUuid }) => parentUuid === whole.uuid)
    .map(({ uuid, profile, index }) => {
      const device = devices.find((each) => valueAt(each, 'index') === index)
      const memory =
        sectionAt(device, 'fb_memory_usage') ??
        sectionAt(device, 'shared_fb_memory_usage') ??
        sectionAt(device, 'framebuffer_memory_usage')
      const instance = instanceOf(valueAt(device, 'gpu_instance_id'), valueAt(device, 'compute_instance_id'))
      return {
        ...whole,
        uuid,
        model: `${whole.model} MIG ${profile}`.trim(),
        memoryBytes: bytesIn(valueAt(memory, 'total')) ?? bytesIn(/\d+gb/i.exec(profile)?.[0]) ?? 0,
        parentUuid: whole.uuid,
        trouble: whole.trouble || (device ? troubleOfPart(device) : ''),
        processes: whole.processes.filter((each) => each.instance === instance || each.instance === ''),
      }
    })
}

function migSections(section: Section): readonly Section[] {
  const among = sectionAt(section, 'mig_devices') ?? section
  return among.sections.filter(({ name, sections }) => name === 'mig_device' && sections.length > 0)
}

/** Cells that show an error though nothing depends on them: worth a word, no reason to do without the GPU. */
function oddCells(report: readonly Section[]): readonly string[] {
  return report.filter(isGpu).flatMap((gpu) => {
    const odd = leaves(gpu, '').filter(
      ({ path, value }) => /\berr!|\bunknown error\b/i.test(value) && !telling.test(path),
    )
    if (odd.length === 0) return []
    const named = odd.slice(0, 3).map(({ path, value }) => `${path} is ${value}`)
    const more = odd.length > named.length ? ` and ${odd.length - named.length} more` : ''
    return [`${valueAt(gpu, 'uuid') ?? 'A GPU'} has odd values: ${named.join(', ')}${more}.`]
  })
}

const telling = /^(uuid|product_name|fb_memory_usage\.total)$|^processes\./

function leaves(
  section: Section,
  above: string,
): readonly { readonly path: string; readonly value: string }[] {
  return section.sections.flatMap((each) => {
    const path = above === '' ? each.name : `${above}.${each.name}`
    return each.sections.length === 0 ? [{ path, value: each.value }] : leaves(each, path)
  })
}
