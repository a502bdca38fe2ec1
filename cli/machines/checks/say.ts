import { coloured, printable, styleOf } from '../../output/style.js'
import type { World } from '../../world.js'
import type { Finding } from './facts.js'

const marks = { ok: '✓', warning: '!', error: '✗' } as const
const plainMarks = { ok: 'ok', warning: 'Warning:', error: 'Error:' } as const
const colours = { ok: 'green', warning: 'yellow', error: 'red' } as const

/** A line each, and its remedy below it. */
export function findingLines(world: World, findings: readonly Finding[]): string {
  const style = styleOf(world)
  const indent = style.emoji ? '  ' : '    '
  return findings
    .map(({ level, sentence, remedy }) => {
      const mark = coloured(style, colours[level], (style.emoji ? marks : plainMarks)[level])
      const below = remedy === undefined ? '' : `${indent}${style.arrow} ${printable(remedy)}\n`
      return `${mark} ${printable(sentence)}\n${below}`
    })
    .join('')
}
