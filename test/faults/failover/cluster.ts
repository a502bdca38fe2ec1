import type { Channel } from '../../../proto/channel.js'
import type { Ended } from '../../fixtures/cluster.js'

/** A cluster of two coordinators, three etcd members and some nodes, as far as the checks of a failover reach into it. */
export interface FailoverCluster {
  /** Coordinators that may be killed: not the one that is the store's only home. */
  readonly mortals: readonly string[]
  /** Who leads, as etcd has it; undefined: nobody, or etcd does not answer. */
  leader(): Promise<string | undefined>
  /** SIGKILL; it stays dead until `start`. Resolves when it is gone. */
  kill(coordinator: string): Promise<void>
  /** Resolves when it answers what it is asked. */
  start(coordinator: string): Promise<void>
  pause(coordinator: string): Promise<void>
  resume(coordinator: string): void
  /** Nothing goes between the coordinator and these until `mend`. */
  part(coordinator: string, from: 'etcd' | 'agents'): void
  mend(coordinator: string): void
  /** SIGKILL to one of two members of etcd; the third lives. */
  killEtcd(member: 0 | 1): Promise<void>
  startEtcd(member: 0 | 1): Promise<void>
  /** A channel of the administrator's, beginning with the coordinator at `first`. */
  open(first: number): Channel
  /** What `spell WORDS` of the administrator's says, and how it ends. */
  spell(words: string): Promise<Ended>
  /** A folder that the runs see too. */
  readonly folder: string
}
