import type { Clock } from '../common/clock.js'
import type { Failpoints } from '../common/failpoint.js'
import type { Log } from '../common/log.js'
import type { Random } from '../common/random.js'
import type { AttemptLine } from '../proto/model/link.js'
import type { ObjectStore } from '../spellfs/object-store.js'
import type { User } from './core/records.js'
import type { Trust } from './leader/authority.js'
import { checkClusterKey } from './leader/key-check.js'
import { LoadedState } from './leader/loaded-state.js'
import type { Memory } from './leader/memory.js'
import { Leader } from './leader.js'
import { HourlyLeases } from './request-leases.js'
import { type CoordinatorSettings, leaderSettings } from './settings.js'
import { type CommitFacts, CommitQueue, defaultCommitQueueSettings } from './store/commit-queue.js'
import { Compaction, defaultCompactionSettings } from './store/compaction.js'
import type { Etcd } from './store/etcd.js'
import type { Keys } from './store/keys.js'
import type { Leadership } from './store/leadership.js'
import { loadState } from './store/load.js'
import { version } from './version.js'

export interface TermParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
  readonly store: ObjectStore
  recordVersions(): readonly number[] | undefined
  coordinatorAddresses(): readonly string[]
  userAddresses(): readonly string[]
  readonly trust: Trust
  takeLines(lines: readonly AttemptLine[]): void
  committed(facts: CommitFacts): void
  /** Makes the store this cluster's. Safe to repeat; rejects where it can't be. */
  markStore(): Promise<void>
}

/** Everything that lives as long as one term. */
export interface RunningTerm {
  readonly leader: Leader
  readonly leadership: Leadership
  readonly queue: CommitQueue
  readonly compaction: Compaction
  /** Safe to call twice. */
  stop(): void
}

/**
 * Reads the whole state and begins to lead with it. Rejects when leadership ends meanwhile, with EtcdError, and where the
 * store of a new cluster cannot be used.
 */
export async function startTerm(
  settings: CoordinatorSettings,
  parts: TermParts,
  leadership: Leadership,
): Promise<RunningTerm> {
  const loaded = new LoadedState(leaderSettings(settings), parts)
  const { commitValue } = await loadState({ ...parts, leadership }, (entry) => loaded.take(entry))
  const keyPut = checkClusterKey(parts.trust.clusterKey, loaded.memory.keyCheck, parts.keys)
  // Only before anything was ever committed may a directory be made the store: an unmounted disk looks like a new one.
  // Whoever is killed before its first commit leaves that to the next leader. Where it can't be done the term ends: a first
  // commit without a mark would leave the cluster without a store for ever.
  if (commitValue === undefined) await parts.markStore()
  const leases = await HourlyLeases.start(parts.etcd, parts.clock, parts.log)
  const queue = new CommitQueue(
    { ...defaultCommitQueueSettings, maxOperations: settings.etcd.maxOperations },
    { ...parts, leadership, observe: (facts) => parts.committed(facts) },
    commitValue,
  )
  const { quotaBytes } = settings.etcd
  const compaction = new Compaction(
    { ...defaultCompactionSettings, quotaBytes },
    { ...parts, signal: leadership.signal, writtenBytes: () => queue.stats().bytes },
  )
  compaction.start()
  const { term, generation } = leadership
  const leader = new Leader(
    { ...leaderSettings(settings), term, generation, version },
    {
      ...parts,
      queue,
      requestLeases: leases,
      loaded,
      isLeading: () => leadership.isLeading(),
      stepDown: (reason: string) => leadership.lose(reason),
      etcdSize: () => ({ bytes: compaction.usage()?.usedBytes ?? 0, quotaBytes }),
      objects: parts.store,
    },
  )
  const stop = () => {
    leases.stop()
    leader.close()
  }
  try {
    if (loaded.memory.restored) await leader.keeping.recoverArchive()
    leader.start()
    await leader.joins.keepAuthorityKey()
    if (keyPut) await queue.add({ puts: [keyPut], deletes: [] })
    await seeToBootstrapUser(settings, loaded.memory, { leader, clock: parts.clock })
    leadership.assertLeading()
  } catch (error) {
    stop()
    throw error
  }
  return { leader, leadership, queue, compaction, stop }
}

/** Whatever became of its token: who has the settings gets in. What the cluster knows of the user stays. */
async function seeToBootstrapUser(
  { bootstrapUser }: CoordinatorSettings,
  { users, tokens }: Memory,
  { leader, clock }: { readonly leader: Leader; readonly clock: Clock },
): Promise<void> {
  if (!bootstrapUser || tokens.has(bootstrapUser.tokenSha256)) return
  const { name, tokenSha256 } = bootstrapUser
  const made: User = {
    ...{ name, email: '', role: 'admin', maxConcurrentRuns: 0, createdAtMs: clock.now() },
  }
  const user = users.get(name) ?? made
  await leader.putUser(user, tokenSha256)
}
