/** Of lists: clients in other languages take messages of 4 MiB, so a page ends before it could become larger. */
export const pageBytes = 2 * 1024 * 1024

const fieldBytes = 8

/**
 * About how many bytes a value takes in a message, rather more than less, for whoever must know before it is written:
 * texts in UTF-8, a few bytes for every field, and names too, since those of a map travel.
 */
export function messageBytes(value: unknown): number {
  if (typeof value === 'string') return Buffer.byteLength(value) + fieldBytes
  if (value instanceof Uint8Array) return value.length + fieldBytes
  if (typeof value !== 'object' || value === null) return fieldBytes
  let bytes = fieldBytes
  if (Array.isArray(value)) for (const item of value) bytes += messageBytes(item)
  else
    for (const [name, field] of Object.entries(value)) bytes += Buffer.byteLength(name) + messageBytes(field)
  return bytes
}
