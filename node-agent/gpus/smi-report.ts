import { parseCsv } from './smi-csv.js'
import {
  cutOff,
  type GrowingSection,
  isGpu,
  type Report,
  remarksOf,
  type Section,
  sectionAt,
} from './smi-section.js'

/** The report in an output, as far as it goes; without sections where there is none. */
export function parseReport(output: string): Report {
  const text = output
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .trim()
  const xml = text.search(/<\?xml|<!DOCTYPE|<nvidia_smi_log/)
  if (xml >= 0) return parseXml(text.slice(xml), remarksOf(text.slice(0, xml)))
  const log = text.search(/^=+ ?NVSMI LOG/m)
  if (log >= 0) return parseText(text.slice(log), remarksOf(text.slice(0, log)))
  return parseCsv(text) ?? { sections: [], remarks: remarksOf(text), incomplete: notUnderstood(text) }
}

/** Reports have six levels; whatever looks at sections below one another is not to run out of stack. */
const deepest = 50

function notUnderstood(text: string): string {
  if (text === '') return 'nvidia-smi says nothing.'
  return `nvidia-smi says nothing that is understood: ${JSON.stringify(text.slice(0, 200))}`
}

/** Of output that is cut off, every section that was closed below the log's own. */
function parseXml(text: string, before: readonly string[]): Report {
  const root: GrowingSection = { name: '', value: '', sections: [] }
  const open = [root]
  let end = text.length
  let broken = false
  for (const match of text.matchAll(/<(\/?)([\w-]+)([^<>]*?)(\/?)>([^<]*)/g)) {
    const [all, closing, name = '', attributes = '', empty, value = ''] = match
    if (closing) {
      broken = open.pop()?.name !== name || open.length === 0
      end = match.index + all.length - value.length
      if (broken || open.length === 1) break
      continue
    }
    const section: GrowingSection = { name, value: plain(value).trim(), sections: [] }
    open.at(-1)?.sections.push(section)
    if (name === 'gpu') section.sections.push(place(attributes))
    if (!empty) open.push(section)
    broken = open.length > deepest
    if (broken) break
  }
  const whole = !broken && open.length === 1 && root.sections.length === 1
  const sections = [...(root.sections[0]?.sections ?? [])]
  const lastIsOpen = broken || open.length > 2
  if (!whole && lastIsOpen) sections.splice(-1)
  return {
    sections,
    remarks: [...before, ...(whole ? remarksOf(text.slice(end)) : [])],
    incomplete: whole ? countedWrongly(sections) : cutOff,
  }
}

function plain(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => entities[name] ?? '')
}

/** The last GPU of a text is whole only if it gets as far as its processes: nothing else tells its end. */
function parseText(text: string, before: readonly string[]): Report {
  const root: GrowingSection = { name: '', value: '', sections: [] }
  const open: { indent: number; section: GrowingSection }[] = [{ indent: -1, section: root }]
  const remarks = [...before]
  for (const line of text.split('\n')) {
    const { indent, name, value } = partsOf(line)
    if (name === '' || name.startsWith('===')) continue
    if (indent === '' && value === undefined && !isGpuHeading(name)) {
      remarks.push(line.trim())
      continue
    }
    while ((open.at(-1)?.indent ?? -1) >= indent.length) open.pop()
    const section: GrowingSection = { name: asInXml(name), value: value?.trim() ?? '', sections: [] }
    open.at(-1)?.section.sections.push(section)
    if (isGpu(section)) section.sections.push(place(name))
    open.push({ indent: indent.length, section })
  }
  const sections = [...root.sections]
  const last = sections.findLast(isGpu)
  const counted = sections.some(({ name }) => name === 'attached_gpus')
  const lastIsOpen = last !== undefined && sectionAt(last, 'processes') === undefined
  if (lastIsOpen) sections.splice(sections.indexOf(last), 1)
  const whole = counted && !lastIsOpen
  const incomplete = whole ? countedWrongly(sections) : cutOff
  return { sections, remarks: remarksOf(remarks.join('\n')), incomplete }
}

/** `    Product Name    : Tesla T4`; without a value where it is a heading. */
function partsOf(line: string): {
  readonly indent: string
  readonly name: string
  readonly value: string | undefined
} {
  const words = line.trimStart()
  const indent = line.slice(0, line.length - words.length)
  // No pattern that could look at a long row of blanks again from each of them.
  const colon = words.search(/\s:/)
  if (colon < 0) return { indent, name: words.trimEnd(), value: undefined }
  return { indent, name: words.slice(0, colon).trimEnd(), value: words.slice(colon + 2) }
}

/** What stands where a GPU begins: its place on the bus, though it may tell nothing else. */
function place(value: string): GrowingSection {
  return { name: 'place', value: value.trim(), sections: [] }
}

function countedWrongly(sections: readonly Section[]): string {
  const counted = sections.find(({ name }) => name === 'attached_gpus')?.value
  const shown = sections.filter(isGpu).length
  if (counted === undefined || !/^\d+$/.test(counted) || Number(counted) === shown) return ''
  return `nvidia-smi counts ${counted} GPUs and shows ${shown}.`
}

function isGpuHeading(name: string): boolean {
  return /^GPU [0-9A-Fa-f]+:[0-9A-Fa-f]+:/.test(name)
}

function asInXml(name: string): string {
  if (isGpuHeading(name)) return 'gpu'
  const words = name.toLowerCase().replace(/[^a-z0-9]+/g, '_')
  return words === 'gpu_uuid' ? 'uuid' : words
}
