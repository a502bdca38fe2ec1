/** Columns as wide as their widest cell, two blanks between them, nothing behind the last. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = titles.length === 0 ? rows : [titles, ...rows]
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))))
  return all
    .map((row) => row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))))
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('')
}

/** One line of comma-separated values (RFC 4180: a value with a comma, a quote or a line break stands in quotes). */
export function commaSeparated(values: readonly string[]): string {
  return `${values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',')}\n`
}

/** Characters that a terminal gives two columns, roughly: East Asian wide forms and emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u

/** Columns that a text takes, not counting colours. */
export function width(text: string): number {
  let columns = 0
  for (const character of text.replace(/\u001b\[\d*m/g, '')) columns += wide.test(character) ? 2 : 1
  return columns
}
