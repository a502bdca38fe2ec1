import type { Clock } from '../../common/clock.js'
import { gpusOf, hasMigDevices, type MigName, parseList, type SeenGpus } from './gpu-list.js'
import { withProcesses } from './smi-csv.js'
import { SmiProgram, type SmiResult, type SmiSettings } from './smi-program.js'
import { parseReport } from './smi-report.js'
import { isGpu, type Report, type Section, valueAt } from './smi-section.js'
import { busIdIn } from './smi-values.js'

/** What one look at nvidia-smi brings. */
export type GpuReading =
  | ({
      readonly kind: 'read'
      /** Empty: not told. */
      readonly driverVersion: string
      /** Why GPUs that are there may be missing in it; empty: none is. */
      readonly incomplete: string
    } & SeenGpus)
  /** Nothing is known about any GPU. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** This machine has no nvidia-smi. */
  | { readonly kind: 'none' }

const table = '--query-gpu=index,name,uuid,pci.bus_id,memory.total,mig.mode.current,driver_version'
const processTable = '--query-compute-apps=gpu_uuid,pid,process_name'

/** `-q -x` says everything in one call; a stand-in or an old driver may know only one of the others. */
const forms: readonly (readonly string[])[] = [['-q', '-x'], ['-q'], [table, '--format=csv']]
/** No driver, no library of it: asked otherwise it says the same (nvidia-smi(1), RETURN VALUE; 126 and 127 are a shell's). */
const hopelessCodes: ReadonlySet<number> = new Set([9, 12, 126, 127])
/** So many are asked for one by one where the whole is not told. */
const mostAskedAlone = 64

/** Looks for GPUs. Whatever is wrong becomes a reason or a warning. */
export class GpuFinder {
  readonly #program: SmiProgram

  constructor(settings: SmiSettings, clock: Clock) {
    this.#program = new SmiProgram(settings, clock)
  }

  async read(signal: AbortSignal): Promise<GpuReading> {
    const asked = await this.#report(signal)
    if ('kind' in asked) return asked
    const { report, complaints } = asked
    const gap = report.incomplete !== '' || complaints.length > 0
    const list = gap || hasMigDevices(report.sections) ? await this.#program.run(['-L'], signal) : undefined
    const listed = parseList(list?.kind === 'said' || list?.kind === 'refused' ? list.output : '')
    const alone = gap ? await this.#oneByOne(report.sections, listed.uuids, signal) : []
    return readingOf({ ...report, sections: [...report.sections, ...alone] }, listed.migNames, complaints)
  }

  async #report(
    signal: AbortSignal,
  ): Promise<
    | { readonly report: Report; readonly complaints: readonly string[] }
    | Extract<GpuReading, { kind: 'failed' | 'none' }>
  > {
    let trouble = ''
    const remarks: string[] = []
    for (const words of forms) {
      const result = await this.#program.run(words, signal)
      if (result.kind === 'none' || result.kind === 'failed') return result
      const report = parseReport(result.output)
      const complaint = result.kind === 'refused' ? result.reason : ''
      if (isReport(report)) {
        const full = words.includes(table) ? await this.#withProcesses(report, signal) : report
        return { report: full, complaints: complaintsOf(report, complaint) }
      }
      trouble ||= complaint || report.incomplete || 'nvidia-smi shows nothing about GPUs.'
      remarks.push(...report.remarks)
      if (result.kind === 'refused' && hopelessCodes.has(result.code)) break
      if (saysNoDevices(result)) return { report: nothing, complaints: [] }
    }
    // One GPU that is lost can keep all others from being shown together.
    if (!remarks.some((line) => busIdIn(line) !== '')) return { kind: 'failed', reason: trouble }
    return { report: { ...nothing, remarks, incomplete: trouble }, complaints: [trouble] }
  }

  async #withProcesses(report: Report, signal: AbortSignal): Promise<Report> {
    const result = await this.#program.run([processTable, '--format=csv'], signal)
    return result.kind === 'said' ? withProcesses(report, result.output) : report
  }

  async #oneByOne(
    sections: readonly Section[],
    uuids: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly Section[]> {
    const shown = new Set(sections.filter(isGpu).map((gpu) => valueAt(gpu, 'uuid')))
    const found: Section[] = []
    for (const uuid of uuids.filter((each) => !shown.has(each)).slice(0, mostAskedAlone)) {
      const result = await this.#program.run(['-q', '-x', '-i', uuid], signal)
      if (result.kind === 'none' || result.kind === 'failed') break
      // One that does not understand the question answers it for all.
      const gpus = parseReport(result.output).sections.filter(isGpu)
      found.push(...gpus.filter((gpu) => valueAt(gpu, 'uuid') === uuid))
    }
    return found
  }
}

const nothing: Report = { sections: [], remarks: [], incomplete: '' }

function isReport(report: Report): boolean {
  return report.sections.some(isGpu) || report.sections.some(({ name }) => name === 'attached_gpus')
}

function saysNoDevices(result: SmiResult): boolean {
  return (
    (result.kind === 'said' || result.kind === 'refused') && /^no devices were found/im.test(result.output)
  )
}

/** 14 says that an infoROM is damaged, with the whole report; others may leave something out. */
function complaintsOf(report: Report, complaint: string): readonly string[] {
  return [complaint, report.incomplete].filter((each) => each !== '')
}

function readingOf(report: Report, migNames: readonly MigName[], complaints: readonly string[]): GpuReading {
  const seen = gpusOf(report.sections, migNames)
  const lost = new Map(seen.lost)
  for (const remark of report.remarks) {
    const busId = busIdIn(remark)
    if (/unable to|is lost|fallen off|unknown error/i.test(remark) && busId !== '') lost.set(busId, remark)
  }
  const driverVersion = report.sections.find(({ name }) => name === 'driver_version')?.value ?? ''
  const warnings = [...complaints, ...report.remarks.map(said), ...seen.warnings]
  return {
    kind: 'read',
    driverVersion,
    incomplete: complaints[0] ?? '',
    ...seen,
    lost,
    warnings: [...new Set(warnings)],
  }
}

function said(remark: string): string {
  return `nvidia-smi says: ${remark.slice(0, 300)}`
}
