import type { World } from '../world.js'

/** What can be shown where standard output goes. */
export interface Style {
  readonly emoji: boolean
  readonly ellipsis: '…' | '...'
  readonly arrow: '→' | '->'
  /** Lines that move: a terminal that can go back to the start of its line. */
  readonly spinner: boolean
  readonly colour: boolean
}

export function styleOf(world: World): Style {
  const { utf8, noColor, cursor } = world.settings
  const terminal = world.stdout.isTTY === true
  return {
    emoji: utf8,
    ellipsis: utf8 ? '…' : '...',
    arrow: utf8 ? '→' : '->',
    spinner: terminal && cursor,
    colour: terminal && cursor && !noColor,
  }
}

/** `✨ sentence`, or the sentence alone where there are no emoji. */
export function withEmoji(style: Style, emoji: string, sentence: string): string {
  return style.emoji ? `${emoji} ${sentence}` : sentence
}

export type Colour = 'green' | 'yellow' | 'red'

const codes: Readonly<Record<Colour, number>> = { green: 32, yellow: 33, red: 31 }

export function coloured(style: Style, colour: Colour, text: string): string {
  return style.colour ? `\u001b[${codes[colour]}m${text}\u001b[39m` : text
}

/** Text that others wrote, safe for a terminal and for one line: line breaks become blanks, other controls `?`. */
export function printable(text: string): string {
  return text
    .replace(/\r\n|[\r\n\t]/g, ' ')
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, '?')
}

/** The same for text of several lines: its line breaks stay. */
export function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join('\n')
}

/** Cut to so many characters, the last of which then is an ellipsis. */
export function shortened(style: Style, text: string, length: number): string {
  const characters = [...text]
  if (characters.length <= length) return text
  return characters.slice(0, length - style.ellipsis.length).join('') + style.ellipsis
}
