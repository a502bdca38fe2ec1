import type { Clock } from '../common/clock.js'
import type { AuditLog } from './audit/audit-log.js'
import type { KeepingParts } from './rpc/keeping-handlers.js'
import type { CoordinatorSettings } from './settings.js'
import type { Etcd } from './store/etcd.js'

/** What a coordinator brings to the service `Keeping`, beside what it knows while it leads. */
export function keepingParts(
  { storeDir, storeHome, clusterKeyFile }: CoordinatorSettings,
  parts: {
    readonly etcd: Pick<Etcd, 'snapshot'>
    readonly audit: Pick<AuditLog, 'read'>
    readonly clock: Clock
  },
): Omit<KeepingParts, 'facts'> {
  return {
    snapshot: (signal) => parts.etcd.snapshot(signal),
    audit: (count, wanted) => parts.audit.read(count, wanted),
    now: () => parts.clock.now(),
    storeDirectory: storeDir ?? '',
    storeHome: storeHome ?? '',
    clusterKeyFile: clusterKeyFile ?? '',
  }
}
