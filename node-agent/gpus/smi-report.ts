/**
 * What nvidia-smi says, as nested sections, out of any of the three forms it has: `-q -x` (XML), `-q` (indented text) and
 * `--query-gpu=… --format=csv`. The names are those of the XML; `Product Name` of the text becomes `product_name`, a CSV
 * line becomes a `gpu` section of the fields that the others have too.
 */
export interface Section {
  readonly name: string
  /** Of a leaf; empty for others. */
  readonly value: string
  readonly sections: readonly Section[]
}

interface Growing extends Section {
  readonly sections: Growing[]
  value: string
}

/** The sections of a report, or a sentence that says why it is none. */
export function parseReport(output: string): readonly Section[] | string {
  const text = output.trim()
  if (text.startsWith('<')) return parseXml(text)
  if (text.includes('NVSMI LOG')) return parseText(text)
  if (/^[^\n]*\buuid\b[^\n]*\n/.test(text)) return parseCsv(text)
  return `nvidia-smi says nothing that is understood: ${JSON.stringify(text.slice(0, 200))}`
}

/** The value at a path of names below a section; undefined where there is none. */
export function valueAt(section: Section | undefined, ...path: readonly string[]): string | undefined {
  const found = sectionAt(section, ...path)
  return found === undefined || found.value === '' ? undefined : found.value
}

export function sectionAt(section: Section | undefined, ...path: readonly string[]): Section | undefined {
  let at = section
  for (const name of path) at = at?.sections.find((each) => each.name === name)
  return at
}

const cutOff = 'The output of nvidia-smi is cut off.'

function parseXml(text: string): readonly Section[] | string {
  const root: Growing = { name: '', value: '', sections: [] }
  const open = [root]
  for (const [, closing, name = '', empty, value] of text.matchAll(/<(\/?)([\w-]+)[^>]*?(\/?)>([^<]*)/g)) {
    if (closing) {
      if (open.pop()?.name !== name) return cutOff
      continue
    }
    const section: Growing = { name, value: plain(value ?? '').trim(), sections: [] }
    open.at(-1)?.sections.push(section)
    if (!empty) open.push(section)
  }
  return open.length === 1 && root.sections.length === 1 ? (root.sections[0]?.sections ?? cutOff) : cutOff
}

function plain(text: string): string {
  const entities: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }
  return text.replace(/&(lt|gt|amp|quot|apos);/g, (_all, name: string) => entities[name] ?? '')
}

function parseText(text: string): readonly Section[] | string {
  const root: Growing = { name: '', value: '', sections: [] }
  const open: { indent: number; section: Growing }[] = [{ indent: -1, section: root }]
  for (const line of text.split('\n')) {
    const {
      indent = '',
      name = '',
      value = '',
    } = /^(?<indent>\s*)(?<name>\S.*?)(\s+: (?<value>.*))?$/.exec(line)?.groups ?? {}
    if (name === '' || name.startsWith('===')) continue
    while ((open.at(-1)?.indent ?? -1) >= indent.length) open.pop()
    const section: Growing = { name: asInXml(name), value: value.trim(), sections: [] }
    open.at(-1)?.section.sections.push(section)
    open.push({ indent: indent.length, section })
  }
  const gpus = root.sections.filter((section) => section.name === 'gpu').length
  return String(gpus) === valueAt(root, 'attached_gpus') ? root.sections : cutOff
}

function asInXml(name: string): string {
  if (/^GPU [0-9A-Fa-f]+:/.test(name)) return 'gpu'
  const words = name.toLowerCase().replace(/[^a-z0-9]+/g, '_')
  return words === 'gpu_uuid' ? 'uuid' : words
}

function parseCsv(text: string): readonly Section[] | string {
  const [header = '', ...lines] = text.split('\n')
  const names = header.split(', ').map((name) => name.trim())
  const gpus = lines.map((line) => line.split(', ').map((cell) => cell.trim()))
  if (gpus.some((cells) => cells.length !== names.length)) return cutOff
  return gpus.map((cells) => {
    const cell = (name: string) => cells[names.findIndex((each) => each.split(' ')[0] === name)] ?? ''
    const leaf = (name: string, value: string): Section => ({ name, value, sections: [] })
    const memory = { name: 'fb_memory_usage', value: '', sections: [leaf('total', cell('memory.total'))] }
    const mig = { name: 'mig_mode', value: '', sections: [leaf('current_mig', cell('mig.mode.current'))] }
    const named = [leaf('product_name', cell('name')), leaf('uuid', cell('uuid'))]
    return { name: 'gpu', value: '', sections: [...named, memory, mig] }
  })
}
