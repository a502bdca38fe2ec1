import { systemCode } from '../../spellfs/disk-errors.js'

/** What the system says when the agent is short of something at this moment, or the whole disk is away. */
const passing = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'EAGAIN',
  'ESTALE',
  'ENOTCONN',
  'ETIMEDOUT',
  'EHOSTDOWN',
])

/** Whether the system refuses the one file that was asked for: it must not cost the others, and asking again won't help. */
export function isFileTrouble(error: unknown): boolean {
  const code = systemCode(error)
  return code !== undefined && !passing.has(code)
}
