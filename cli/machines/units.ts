import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ProgramName } from './folders.js'

/** What the template of a unit is filled with; the templates are ops/systemd, `systemd/` beside the built programs. */
export interface UnitContent {
  readonly cluster: string
  readonly command: readonly string[]
  /** Folders whose file systems must be mounted first. */
  readonly mounts: readonly string[]
}

export function unitName(program: ProgramName): string {
  return `spell-${program}.service`
}

export function makeUnit(root: string, program: ProgramName, content: UnitContent): string {
  const template = readFileSync(join(root, 'systemd', unitName(program)), 'utf8')
  const values: Readonly<Record<string, string>> = {
    cluster: specifierFree(content.cluster),
    command: content.command.map(word).join(' '),
    mounts: content.mounts.map(word).join(' '),
  }
  return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`Invariant broken: the unit's template asks for ${name}`)
    return value
  })
}

/** One word of a command line, as systemd.syntax(7) and systemd.service(5) have it: quotes, `%` and `$` mean something. */
function word(text: string): string {
  const plain = specifierFree(text).replaceAll('$', '$$$$')
  return /^[A-Za-z0-9_./:=,@%+-]+$/.test(plain) ? plain : `"${plain.replace(/[\\"]/g, '\\$&')}"`
}

function specifierFree(text: string): string {
  return text.replaceAll('%', '%%')
}
