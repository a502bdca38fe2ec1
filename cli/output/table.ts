import { width } from './width.js'

/** Columns as wide as their widest cell, two blanks between them, nothing behind the last. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = titles.length === 0 ? rows : [titles, ...rows]
  const widths = (all[0] ?? []).map((_, column) =>
    all.reduce((widest, row) => Math.max(widest, width(row[column] ?? '')), 0),
  )
  return all
    .map((row) => row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))))
    .map((cells) => `${cells.join('  ').trimEnd()}\n`)
    .join('')
}

/** One line of comma-separated values (RFC 4180: a value with a comma, a quote or a line break stands in quotes). */
export function commaSeparated(values: readonly string[]): string {
  return `${values.map((value) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)).join(',')}\n`
}
