import { type Section, sectionAt, valueAt } from './smi-section.js'
import { countIn } from './smi-values.js'

/** Why a GPU that answers must not get runs; empty: it may. */
export function troubleOf(gpu: Section): string {
  for (const check of checks) {
    const reason = check(gpu)
    if (reason !== undefined) return reason
  }
  return ''
}

/** Errors of memory or caches that could not be corrected, as the device counts them over its whole life. */
export function uncorrectableEver(gpu: Section): number | undefined {
  return uncorrectable(sectionAt(gpu, 'ecc_errors', 'aggregate'))
}

/** What a MIG device says of itself. */
export function troubleOfPart(device: Section): string {
  const count =
    uncorrectable(sectionAt(device, 'ecc_error_count', 'volatile_count')) ??
    uncorrectable(sectionAt(device, 'ecc_errors', 'volatile'))
  return count ? uncorrectableReason(count) : ''
}

/** The names are those of the XML first, then of the text. Values that are not told count as no trouble. */
const checks: readonly ((gpu: Section) => string | undefined)[] = [
  (gpu) => (tells(gpu, /is lost/i) ? 'The GPU is lost: the driver can not reach it any more.' : undefined),
  (gpu) =>
    yes(valueAt(gpu, 'gpu_reset_status', 'reset_required')) || tells(gpu, /requires reset/i)
      ? 'It requires a reset.'
      : undefined,
  (gpu) => {
    const action = valueAt(gpu, 'gpu_recovery_action') ?? ''
    return /reset|reboot|drain/i.test(action) ? `The driver wants it recovered: ${action}.` : undefined
  },
  (gpu) =>
    yes(valueAt(gpu, 'gpu_reset_status', 'drain_and_reset_recommended'))
      ? 'The driver recommends that it be drained and reset.'
      : undefined,
  (gpu) => {
    const count = uncorrectable(sectionAt(gpu, 'ecc_errors', 'volatile'))
    return count ? uncorrectableReason(count) : undefined
  },
  (gpu) =>
    yes(valueAt(gpu, 'ecc_errors', 'aggregate', 'sram_threshold_exceeded'))
      ? 'Its uncorrectable errors in SRAM are more than it may have: it should be replaced.'
      : undefined,
  (gpu) =>
    yes(valueAt(gpu, 'ecc_errors', 'unrepairable_memory')) ? 'Its memory can not be repaired.' : undefined,
  (gpu) => {
    const rows = sectionAt(gpu, 'remapped_rows')
    const failed = valueAt(rows, 'remapped_row_failure') ?? valueAt(rows, 'remapping_failure_occurred')
    return yes(failed) ? 'Memory rows could not be remapped.' : undefined
  },
  (gpu) => {
    const rows = sectionAt(gpu, 'remapped_rows')
    const pending = valueAt(rows, 'remapped_row_pending') ?? valueAt(rows, 'pending')
    return yes(pending) ? 'Memory rows wait to be remapped: it requires a reset.' : undefined
  },
  (gpu) => {
    const pages = sectionAt(gpu, 'retired_pages')
    const pending = ['pending_retirement', 'pending_blacklist', 'pending_page_blacklist']
    return pending.some((name) => yes(valueAt(pages, name)))
      ? 'Memory pages wait to be retired: it requires a reset.'
      : undefined
  },
  (gpu) =>
    ['channel_repair_pending', 'tpc_repair_pending'].some((name) => yes(valueAt(gpu, 'ecc_errors', name)))
      ? 'It waits for a repair of its memory: it requires a reset.'
      : undefined,
]

function uncorrectableReason(count: number): string {
  const errors = count === 1 ? 'an uncorrectable memory error' : `${count} uncorrectable memory errors`
  return `It reports ${errors} since it was last reset.`
}

function yes(value: string | undefined): boolean {
  return value !== undefined && /^yes$/i.test(value)
}

/**
 * Newer drivers have leaves of their own (`dram_uncorrectable`, `sram_uncorrectable_parity`), older ones a section
 * `double_bit` with a total. undefined: the device does not count them.
 */
function uncorrectable(counts: Section | undefined): number | undefined {
  if (counts === undefined) return undefined
  const double = sectionAt(counts, 'double_bit')
  const total = countIn(valueAt(double, 'total'))
  if (total !== undefined) return total
  const among = [
    ...counts.sections.filter(({ name }) => name.includes('uncorrectable')),
    ...(double?.sections ?? []),
  ]
  const told = among.map(({ value }) => countIn(value)).filter((count) => count !== undefined)
  return told.length === 0 ? undefined : told.reduce((sum, count) => sum + count, 0)
}

/** In any cell but one that a user fills: the name of a process. */
function tells(section: Section, what: RegExp): boolean {
  if (section.name === 'process_name' || section.name === 'name') return false
  return what.test(section.value) || section.sections.some((each) => tells(each, what))
}
