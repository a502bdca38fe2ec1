/** Bytes of a text in UTF-8. */
export const byteLength = (text: string): number => Buffer.byteLength(text)

/** C0, DEL and C1: whatever could move a terminal's cursor or end a line. */
export const hasControlCharacters = (text: string): boolean => /[\u0000-\u001f\u007f-\u009f]/.test(text)

/** A refusal when there are more than `most`. `what` is a plural. */
export function limitOf(what: string, items: readonly unknown[], most: number): string | undefined {
  return items.length > most ? `There are ${items.length} ${what}; at most ${most} are allowed.` : undefined
}
