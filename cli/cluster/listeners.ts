import type { ClusterPlan } from './plan-file.js'
import { loopback } from './ports.js'

/** Names of a cluster's processes and listeners. A process keeps its name, and a listener its port, over the cluster's life. */
export const etcdName = 'etcd'
export const etcdClients = 'etcd.clients'
export const etcdPeers = 'etcd.peers'

export type CoordinatorListener = 'users' | 'agents' | 'metrics' | 'downloads'

export function coordinatorNames(plan: Pick<ClusterPlan, 'coordinators'>): readonly string[] {
  return Array.from({ length: plan.coordinators }, (_, index) => `coordinator-${index + 1}`)
}

export function nodeNames(plan: Pick<ClusterPlan, 'nodes'>): readonly string[] {
  return Array.from({ length: plan.nodes }, (_, index) => `node-${index + 1}`)
}

/** Every listener that needs a port. */
export function listenerNames(plan: Pick<ClusterPlan, 'coordinators'>): readonly string[] {
  const ofCoordinators = coordinatorNames(plan).flatMap((name) => [
    `${name}.users`,
    `${name}.agents`,
    `${name}.metrics`,
    `${name}.downloads`,
  ])
  return [etcdClients, etcdPeers, ...ofCoordinators]
}

/** `host:port` of a listener. */
export function addressOf(plan: ClusterPlan, listener: string): string {
  const port = plan.ports[listener]
  if (port === undefined) throw new Error(`Invariant broken: ${listener} has a port before anything starts`)
  return `${loopback}:${port}`
}

export function coordinatorAddress(plan: ClusterPlan, name: string, listener: CoordinatorListener): string {
  return addressOf(plan, `${name}.${listener}`)
}

export function userAddresses(plan: ClusterPlan): readonly string[] {
  return coordinatorNames(plan).map((name) => coordinatorAddress(plan, name, 'users'))
}
