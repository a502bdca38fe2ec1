import type { ChildProcess } from 'node:child_process'
import type { Channel } from '../../../proto/channel.js'

/**
 * A cluster of two coordinators, three etcd members and some nodes, as far as the checks of a failover reach into it. On
 * what it runs (processes of one machine, machines in network namespaces) is its own business.
 */
export interface FailoverCluster {
  /** Their names. */
  readonly coordinators: readonly [string, string]
  /** Who leads, as etcd has it; undefined: nobody, or etcd does not answer. */
  leader(): Promise<string | undefined>
  /** SIGKILL; it stays dead until `start`. Resolves when it is gone. */
  kill(coordinator: string): Promise<void>
  /** Resolves when it listens. */
  start(coordinator: string): Promise<void>
  pause(coordinator: string): Promise<void>
  resume(coordinator: string): Promise<void>
  /** Nothing goes between the coordinator and these until `mend`. */
  part(coordinator: string, from: 'etcd' | 'agents'): void
  mend(coordinator: string, from: 'etcd' | 'agents'): void
  /** SIGKILL to a member of etcd, by its place. */
  killEtcd(member: number): Promise<void>
  startEtcd(member: number): Promise<void>
  /** A channel of the administrator's, beginning with the coordinator at `first`. */
  open(first: number): Channel
  /** `spell WORDS…` of the administrator's, as a process of its own. */
  spell(words: readonly string[]): ChildProcess
  /** A folder that the runs see too. */
  readonly folder: string
  stop(): Promise<void>
}
