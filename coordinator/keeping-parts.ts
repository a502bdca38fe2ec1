import type { Clock } from '../common/clock.js'
import type { KeepingParts } from './rpc/keeping-handlers.js'
import type { CoordinatorSettings } from './settings.js'
import type { Etcd } from './store/etcd.js'

/** What a coordinator brings to the service `Keeping`, beside what it knows while it leads. */
export function keepingParts(
  { storeDir, clusterKeyFile }: CoordinatorSettings,
  etcd: Pick<Etcd, 'snapshot'>,
  clock: Clock,
): Omit<KeepingParts, 'facts'> {
  return {
    snapshot: (signal) => etcd.snapshot(signal),
    now: () => clock.now(),
    storeDirectory: storeDir,
    clusterKeyFile: clusterKeyFile ?? '',
  }
}
