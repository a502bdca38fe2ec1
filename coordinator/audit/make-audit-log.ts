import { join } from 'node:path'
import { Counter, type Registry } from 'prom-client'
import type { Clock } from '../../common/clock.js'
import type { Log } from '../../common/log.js'
import type { CoordinatorSettings } from '../settings.js'
import { AuditFiles } from './audit-files.js'
import { AuditLog } from './audit-log.js'

/** The audit log of one coordinator, in `audit/` of its data folder. */
export function makeAuditLog(
  { dataDir, audit }: Pick<CoordinatorSettings, 'dataDir' | 'audit'>,
  parts: { readonly clock: Clock; readonly log: Log; readonly registry: Registry },
): AuditLog {
  const registers = [parts.registry]
  const failures = new Counter({
    name: 'spell_audit_failures_total',
    help: 'Times that the audit log could not be written.',
    registers,
  })
  const lost = new Counter({
    name: 'spell_audit_lost_total',
    help: 'Entries that are missing from the audit log, as too many waited for it to be written.',
    registers,
  })
  return new AuditLog({
    ...parts,
    files: new AuditFiles({ folder: join(dataDir, 'audit'), ...audit }),
    lost: () => lost.inc(),
    failed: () => failures.inc(),
  })
}
