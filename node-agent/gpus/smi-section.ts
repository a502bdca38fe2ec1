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

export interface Report {
  readonly sections: readonly Section[]
  /** Lines before, between and after the report, such as a complaint about one GPU. */
  readonly remarks: readonly string[]
  /** Why something may be missing; empty: it is whole. */
  readonly incomplete: string
}

/** While it is read. */
export interface GrowingSection extends Section {
  readonly sections: GrowingSection[]
  value: string
}

export const cutOff = 'The output of nvidia-smi is cut off.'

const mostRemarks = 50

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

export function isGpu(section: Section): boolean {
  return section.name === 'gpu'
}

export function remarksOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .slice(0, mostRemarks)
}
