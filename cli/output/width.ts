// How many columns a terminal gives to a text, roughly: terminals differ, and none asks Unicode's newest version.

/** East Asian wide forms and emoji. Two regional indicators are one flag, so that each of them counts once. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]|(?![\u{1f1e6}-\u{1f1ff}])\p{Emoji_Presentation}/u

/** What is drawn over the character before it, such as accents and variation selectors, and what is not drawn at all. */
const none = /[\p{Mn}\p{Me}\u200b-\u200f]/u

/** Columns that a text takes, not counting colours. */
export function width(text: string): number {
  let columns = 0
  for (const character of text.replace(/\u001b\[\d*m/g, '')) columns += widthOf(character)
  return columns
}

/** Cut to so many columns, the last of which then are an ellipsis. The text has no colours. */
export function cutToWidth(text: string, columns: number, ellipsis: string): string {
  if (width(text) <= columns) return text
  let kept = ''
  let left = columns - width(ellipsis)
  for (const character of text) {
    left -= widthOf(character)
    if (left < 0) break
    kept += character
  }
  return kept + ellipsis
}

function widthOf(character: string): number {
  if (none.test(character)) return 0
  return wide.test(character) ? 2 : 1
}
