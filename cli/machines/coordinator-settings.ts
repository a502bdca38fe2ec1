import { join } from 'node:path'
import { etcdMaxOperations, etcdQuotaBytes } from '../cluster/program-settings.js'
import type { ProgramFolder } from './folders.js'
import { at, listenAt } from './hosts.js'

/** Where coordinators listen: for users, nodes, who has no spell yet, and who watches them (on the machine itself only). */
export const coordinatorPorts = { users: 7000, agents: 7001, downloads: 7002, metrics: 7009 } as const

export interface CoordinatorChoices {
  readonly id: string
  readonly clusterName: string
  /** By which others reach it. */
  readonly host: string
  /** `host:port`, the nearest first. */
  readonly etcdEndpoints: readonly string[]
  readonly etcdPrefix?: string
  readonly etcdMaxOperations?: number
  readonly etcdQuotaBytes?: number
  readonly store: StoreChoice
  readonly allowProcessNodes: boolean
  /** Of the first coordinator, which hands it to the cluster. */
  readonly authorityKeyFile?: string
  readonly bootstrapUser?: { readonly name: string; readonly tokenSha256: string }
}

/** Where a coordinator has the store: in a folder that all have or that it serves to the others, or on another one. */
export type StoreChoice =
  | { readonly kind: 'shared'; readonly dir: string }
  | { readonly kind: 'home'; readonly dir: string }
  | { readonly kind: 'elsewhere'; readonly home: string }

/** What a coordinator is started with; `coordinator/settings.ts` is the schema. */
export function coordinatorSettings(folder: ProgramFolder, choices: CoordinatorChoices): object {
  const { caFile, certFile, keyFile, clusterKeyFile } = folder.trust
  const { host, authorityKeyFile, bootstrapUser } = choices
  return {
    id: choices.id,
    clusterName: choices.clusterName,
    dataDir: folder.dataFolder,
    userListen: listenAt(host, coordinatorPorts.users),
    userAddress: at(host, coordinatorPorts.users),
    agentListen: listenAt(host, coordinatorPorts.agents),
    agentAddress: at(host, coordinatorPorts.agents),
    downloadListen: listenAt(host, coordinatorPorts.downloads),
    downloadAddress: at(host, coordinatorPorts.downloads),
    downloadDir: join(folder.dir, 'packages'),
    metricsListen: `127.0.0.1:${coordinatorPorts.metrics}`,
    etcd: {
      endpoints: choices.etcdEndpoints,
      ...{ caFile, certFile, keyFile },
      ...(choices.etcdPrefix === undefined ? {} : { prefix: choices.etcdPrefix }),
      maxOperations: choices.etcdMaxOperations ?? etcdMaxOperations,
      quotaBytes: choices.etcdQuotaBytes ?? etcdQuotaBytes,
    },
    tls: { caFile, certFile, keyFile },
    clusterKeyFile,
    ...(authorityKeyFile === undefined ? {} : { authorityKeyFile }),
    ...storeSettings(choices.id, choices.store),
    limits: { allowProcessNodes: choices.allowProcessNodes },
    ...(bootstrapUser === undefined ? {} : { bootstrapUser }),
  }
}

function storeSettings(id: string, store: StoreChoice): object {
  switch (store.kind) {
    case 'shared':
      return { storeDir: store.dir }
    case 'home':
      return { storeDir: store.dir, storeHome: id }
    case 'elsewhere':
      return { storeHome: store.home }
  }
}
