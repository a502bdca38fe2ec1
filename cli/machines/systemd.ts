import { execFile } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram } from '../cluster/programs.js'
import { localEnvironment } from '../cluster/settings.js'
import { writeWhole } from '../cluster/write-whole.js'
import { Failure } from '../failure.js'
import type { ProgramFolder } from './folders.js'
import { unitName } from './units.js'

const run = promisify(execFile)
const patienceMs = 60_000
const unitFolder = '/etc/systemd/system'

/** Why no unit can be installed here; undefined: one can. As sd_booted(3) has it. */
export function whyNoUnits(): string | undefined {
  if (!existsSync('/run/systemd/system')) return 'This machine does not run systemd'
  if (process.getuid?.() !== 0) return 'Only root can install a unit of systemd'
  return undefined
}

/** Keeps the unit in the program's folder and has systemd's own opinion on it, where that can be had. */
export async function keepUnit(folder: ProgramFolder, unit: string): Promise<void> {
  writeWhole(folder.unitFile, unit)
  const verify = findProgram('systemd-analyze', localEnvironment().searchPath)
  if (verify === undefined) return
  try {
    await run(verify, ['verify', '--man=no', '--recursive-errors=no', folder.unitFile], {
      timeout: patienceMs,
    })
  } catch (error) {
    const said = saidBy(error)
    // Of the manager that would have to run for it; a unit is checked on machines without one, too.
    if (!said.includes(unitName(folder.name))) return
    throw new Failure('error', `systemd does not like ${folder.unitFile}: ${said}`, { cause: error })
  }
}

/** Installs the kept unit, has it started at boot, and starts it now, anew where it ran. */
export async function installUnit(folder: ProgramFolder, unit: string): Promise<void> {
  writeFileSync(join(unitFolder, unitName(folder.name)), unit, { mode: 0o644 })
  await systemctl(['daemon-reload'])
  await systemctl(['enable', unitName(folder.name)])
  await systemctl(['restart', unitName(folder.name)])
}

/** Ends the program of the unit and forgets the unit. There may be none. */
export async function removeUnit(folder: ProgramFolder, forget: (file: string) => void): Promise<void> {
  const file = join(unitFolder, unitName(folder.name))
  if (!existsSync(file)) return
  await systemctl(['disable', '--now', unitName(folder.name)])
  forget(file)
  await systemctl(['daemon-reload'])
}

async function systemctl(words: readonly string[]): Promise<void> {
  try {
    await run('systemctl', words, { timeout: patienceMs, env: { ...localEnvironment().forProcesses } })
  } catch (error) {
    throw new Failure('error', `"systemctl ${words.join(' ')}" failed: ${saidBy(error)}`, { cause: error })
  }
}

function saidBy(error: unknown): string {
  const { stderr, message } = error as { readonly stderr?: string; readonly message: string }
  return (stderr?.trim() || message).slice(0, 2_000)
}
