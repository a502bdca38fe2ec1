import { readFileSync } from 'node:fs'
import type { Layout } from './layout.js'
import type { ProcessIdentity } from './process-table.js'
import type { Role } from './processes.js'
import { writeWhole } from './write-whole.js'

/** What the supervisor knows of one process. */
export interface ProcessProgress {
  readonly role: Role
  readonly name: string
  readonly address: string | undefined
  readonly logFile: string
  readonly fingerprint: string
  /** Undefined: it has ended and is about to be started anew. */
  readonly pid: number | undefined
  /** How often it was started again after it had ended by itself. */
  readonly restarts: number
  /** When this last changed, milliseconds since 1970. */
  readonly sinceMs: number
}

export interface Progress {
  readonly supervisor: ProcessIdentity | undefined
  readonly processes: readonly ProcessProgress[]
}

/** Nothing known: an empty progress. */
export function readProgress(layout: Layout): Progress {
  try {
    return JSON.parse(readFileSync(layout.progressFile, 'utf8')) as Progress
  } catch {
    return { supervisor: undefined, processes: [] }
  }
}

export function writeProgress(layout: Layout, progress: Progress): void {
  writeWhole(layout.progressFile, `${JSON.stringify(progress)}\n`)
}
