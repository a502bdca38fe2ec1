import { cutOff, type GrowingSection, isGpu, type Report, remarksOf, type Section } from './smi-section.js'

/** Where the XML has what a column of `--query-gpu` is called. */
const columns: Readonly<Record<string, readonly string[]>> = {
  name: ['product_name'],
  gpu_name: ['product_name'],
  uuid: ['uuid'],
  gpu_uuid: ['uuid'],
  'pci.bus_id': ['pci', 'pci_bus_id'],
  gpu_bus_id: ['pci', 'pci_bus_id'],
  'memory.total': ['fb_memory_usage', 'total'],
  'mig.mode.current': ['mig_mode', 'current_mig'],
  'ecc.errors.uncorrected.volatile.total': ['ecc_errors', 'volatile', 'uncorrectable_total'],
  'ecc.errors.uncorrected.aggregate.total': ['ecc_errors', 'aggregate', 'uncorrectable_total'],
  'retired_pages.pending': ['retired_pages', 'pending_retirement'],
  'remapped_rows.pending': ['remapped_rows', 'remapped_row_pending'],
  'remapped_rows.failure': ['remapped_rows', 'remapped_row_failure'],
  gpu_recovery_action: ['gpu_recovery_action'],
}

/** A table with a heading; undefined: it is none. The driver's version stands in each line, where it was asked for. */
export function parseCsv(text: string): Report | undefined {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const heading = lines.findIndex((line) => /(^|, ?)(gpu_)?uuid(,|$)/.test(line.trim()))
  if (heading < 0) return undefined
  const names = cellsOf(lines[heading] ?? '').map((name) => name.split(' ')[0] ?? '')
  const rows = lines.slice(heading + 1).map((line) => ({ line, cells: cellsOf(line) }))
  const whole = rows.filter(({ cells }) => cells.length === names.length)
  const odd = rows.filter(({ cells }) => cells.length !== names.length).map(({ line }) => line)
  const driver = whole[0]?.cells[names.indexOf('driver_version')]
  return {
    sections: [
      ...(driver === undefined ? [] : [leaf('driver_version', driver)]),
      ...whole.map(({ cells }) => gpuOf(names, cells)),
    ],
    remarks: remarksOf([...lines.slice(0, heading), ...odd].join('\n')),
    incomplete: odd.length > 0 ? cutOff : '',
  }
}

/** The report with what `--query-compute-apps=gpu_uuid,pid,process_name` says: a table of GPUs has no processes. */
export function withProcesses(report: Report, output: string): Report {
  const rows = output.split(/\r?\n/).flatMap((line) => {
    const { uuid, pid, name } = /^(?<uuid>\S+), (?<pid>\d+), (?<name>.*)$/.exec(line.trim())?.groups ?? {}
    return uuid && pid && name !== undefined ? [{ uuid, pid, name }] : []
  })
  const processes = (gpu: Section): Section => ({
    ...leaf('processes', ''),
    sections: rows
      .filter(({ uuid }) => gpu.sections.some((each) => each.name === 'uuid' && each.value === uuid))
      .map(({ pid, name }) => ({
        ...leaf('process_info', ''),
        sections: [leaf('pid', pid), leaf('type', 'C'), leaf('process_name', name)],
      })),
  })
  const sections = report.sections.map((section) =>
    isGpu(section) ? { ...section, sections: [...section.sections, processes(section)] } : section,
  )
  return { ...report, sections }
}

function cellsOf(line: string): readonly string[] {
  return line.split(/, ?/).map((cell) => cell.trim())
}

function gpuOf(names: readonly string[], cells: readonly string[]): Section {
  const gpu: GrowingSection = { name: 'gpu', value: '', sections: [] }
  for (const [index, name] of names.entries()) {
    const path = columns[name] ?? []
    let at = gpu
    for (const [depth, step] of path.entries()) {
      const found = at.sections.find((each) => each.name === step)
      const next: GrowingSection = found ?? { name: step, value: '', sections: [] }
      if (!found) at.sections.push(next)
      if (depth === path.length - 1) next.value = cells[index] ?? ''
      at = next
    }
  }
  return gpu
}

function leaf(name: string, value: string): Section {
  return { name, value, sections: [] }
}
