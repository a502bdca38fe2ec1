import type { InventoryGpu } from '../../proto/model/link.js'
import { type Section, sectionAt, valueAt } from './smi-report.js'

export interface GpuList {
  readonly gpus: readonly InventoryGpu[]
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
  return gpuSections(report).some((gpu) => migDevices(gpu).length > 0)
}

/** Lines of `nvidia-smi -L`. */
export function parseMigNames(output: string): readonly MigName[] {
  let parentUuid = ''
  return output.split('\n').flatMap((line) => {
    parentUuid = /^GPU \d+: .*\(UUID: (\S+)\)/.exec(line)?.[1] ?? parentUuid
    const { profile, index, uuid } =
      /^\s+MIG (?<profile>\S+)\s+Device\s+(?<index>\d+): \(UUID: (?<uuid>\S+)\)/.exec(line)?.groups ?? {}
    return profile && index && uuid ? [{ parentUuid, index, profile, uuid }] : []
  })
}

/** The devices that can be given to runs: whole GPUs, and of a divided one its parts instead. */
export function gpusOf(report: readonly Section[], migNames: readonly MigName[]): GpuList {
  const gpus: InventoryGpu[] = []
  const warnings: string[] = []
  for (const section of gpuSections(report)) {
    const whole = wholeGpu(section)
    if (!isUuid(whole.uuid)) {
      const where =
        valueAt(section, 'pci', 'pci_bus_id') ?? valueAt(section, 'pci', 'bus_id') ?? 'unknown place'
      warnings.push(`A GPU (${where}) does not tell its UUID and is left out: ${whole.uuid || 'no answer'}.`)
    } else if (isDivided(section)) gpus.push(...parts(section, whole, migNames))
    else gpus.push(whole)
  }
  return { gpus, warnings }
}

function gpuSections(report: readonly Section[]): readonly Section[] {
  return report.filter((section) => section.name === 'gpu')
}

function wholeGpu(section: Section): InventoryGpu {
  const memoryBytes = mebibytes(valueAt(section, 'fb_memory_usage', 'total'))
  const trouble = troubles.map((check) => check(section)).find((reason) => reason !== undefined)
  const unreadable = memoryBytes === undefined ? 'It does not tell its memory.' : ''
  return {
    uuid: valueAt(section, 'uuid') ?? '',
    model: valueAt(section, 'product_name') ?? '',
    memoryBytes: memoryBytes ?? 0,
    unusableReason: trouble ?? unreadable,
    parentUuid: '',
  }
}

/** Each a reason why a GPU that answers must not get runs. */
const troubles: readonly ((section: Section) => string | undefined)[] = [
  (section) => {
    const wanted = sectionAt(section, 'gpu_reset_status')?.sections.find(
      (each) => each.name === 'reset_required',
    )
    return wanted?.value === 'Yes' ? 'It requires a reset.' : undefined
  },
  (section) => {
    const rows = sectionAt(section, 'remapped_rows')
    const pending = valueAt(rows, 'remapped_row_pending') ?? valueAt(rows, 'pending')
    return pending === 'Yes' ? 'Memory rows wait to be remapped: it requires a reset.' : undefined
  },
  (section) => {
    const rows = sectionAt(section, 'remapped_rows')
    const failed = valueAt(rows, 'remapped_row_failure') ?? valueAt(rows, 'remapping_failure_occurred')
    return failed === 'Yes' ? 'Memory rows could not be remapped.' : undefined
  },
]

function isDivided(section: Section): boolean {
  const mode = sectionAt(section, 'mig_mode')
  return (valueAt(mode, 'current_mig') ?? valueAt(mode, 'current')) === 'Enabled'
}

function migDevices(section: Section): readonly Section[] {
  const among = sectionAt(section, 'mig_devices') ?? section
  return among.sections.filter((each) => each.name === 'mig_device' && each.sections.length > 0)
}

/** A divided GPU without parts, or one whose parts have no name, is there and gets no runs. */
function parts(section: Section, whole: InventoryGpu, migNames: readonly MigName[]): readonly InventoryGpu[] {
  const found = migDevices(section).flatMap((device) => {
    const index = valueAt(device, 'index')
    const name = migNames.find((each) => each.parentUuid === whole.uuid && each.index === index)
    const memory = sectionAt(device, 'fb_memory_usage') ?? sectionAt(device, 'shared_fb_memory_usage')
    if (!name) return []
    const memoryBytes = mebibytes(valueAt(memory, 'total')) ?? 0
    const model = `${whole.model} MIG ${name.profile}`
    return [{ ...whole, uuid: name.uuid, model, memoryBytes, parentUuid: whole.uuid }]
  })
  if (found.length > 0) return found
  return [{ ...whole, unusableReason: 'MIG is on, and it has no MIG devices that tell their UUID.' }]
}

function isUuid(text: string): boolean {
  return /^(GPU|MIG)-[0-9A-Za-z/-]+$/.test(text)
}

/** `81920 MiB`. */
function mebibytes(text: string | undefined): number | undefined {
  const match = /^(\d+) MiB$/.exec(text ?? '')
  return match ? Number(match[1]) * 1024 * 1024 : undefined
}
