import type { Trust } from './leader/authority.js'
import type { Member } from './members.js'
import type { JoinFacts } from './rpc/join-handlers.js'
import type { CoordinatorSettings } from './settings.js'

/** What this coordinator, leading, tells whoever joins. */
export function joinFactsOf(
  { id, clusterName, etcd, storeDir, storeHome }: CoordinatorSettings,
  { authorityPem, clusterKey }: Trust,
  now: { readonly coordinators: readonly Member[]; readonly nowMs: number },
): JoinFacts {
  return {
    ...{ clusterName, etcd, clusterKey, storeDirectory: storeDir ?? '', storeHome: storeHome ?? '' },
    ...{ leaderId: id, caPem: authorityPem },
    ...now,
  }
}
