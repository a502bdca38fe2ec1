import { createHash } from 'node:crypto'
import { etcdClientName } from '../../common/certificates.js'
import type { Layout } from './layout.js'
import { addressOf, coordinatorAddress, coordinatorNames, etcdClients, etcdName } from './listeners.js'
import type { ClusterPlan } from './plan-file.js'
import type { Share } from './shares.js'
import { authorityFile, authorityKeyFile } from './trust.js'

/** Bytes that etcd may keep; the finished runs of a cluster are not in it. */
export const etcdQuotaBytes = 2 * 1024 ** 3
/** Operations a transaction, as etcd is told to allow and the coordinator to use. */
export const etcdMaxOperations = 4096

/** What a coordinator of a local cluster is started with; `coordinator/settings.ts` is the schema. */
export function coordinatorSettings(
  layout: Layout,
  plan: ClusterPlan,
  name: string,
  given: {
    readonly administrator: { readonly name: string; readonly token: string }
    readonly downloadFolder: string
  },
): object {
  const { administrator, downloadFolder } = given
  return {
    id: name,
    clusterName: plan.name,
    dataDir: layout.dataFolder(name),
    userListen: coordinatorAddress(plan, name, 'users'),
    userAddress: coordinatorAddress(plan, name, 'users'),
    agentListen: coordinatorAddress(plan, name, 'agents'),
    agentAddress: coordinatorAddress(plan, name, 'agents'),
    metricsListen: coordinatorAddress(plan, name, 'metrics'),
    downloadListen: coordinatorAddress(plan, name, 'downloads'),
    downloadDir: downloadFolder,
    etcd: {
      endpoints: [addressOf(plan, etcdClients)],
      caFile: authorityFile(layout),
      certFile: layout.certificateFile(name),
      keyFile: layout.keyFile(name),
      maxOperations: etcdMaxOperations,
      quotaBytes: etcdQuotaBytes,
    },
    tls: tlsFiles(layout, name),
    // etcd reads its certificate anew by itself, but nobody renews it for it.
    renewal: { also: [{ certFile: layout.certificateFile(etcdName), keyFile: layout.keyFile(etcdName) }] },
    clusterKeyFile: layout.clusterKeyFile,
    authorityKeyFile: authorityKeyFile(layout),
    storeDir: layout.storeFolder,
    limits: { allowProcessNodes: plan.runtime === 'process' },
    bootstrapUser: {
      name: administrator.name,
      tokenSha256: createHash('sha256').update(administrator.token).digest('hex'),
    },
  }
}

/** What a node agent of a local cluster is started with; `node-agent/settings.ts` is the schema. */
export function nodeSettings(layout: Layout, plan: ClusterPlan, name: string, share: Share): object {
  return {
    name,
    dataDir: layout.dataFolder(name),
    coordinators: coordinatorNames(plan).map((coordinator) =>
      coordinatorAddress(plan, coordinator, 'agents'),
    ),
    tls: tlsFiles(layout, name),
    runtime: plan.runtime,
    docker: { socketPath: plan.dockerSocket },
    cpus: share.cpus,
    memoryBytes: share.memoryBytes,
    ...(plan.nvidiaSmi === undefined ? {} : { nvidiaSmi: plan.nvidiaSmi }),
    ...(share.gpuUuids.length > 0 || plan.nodes > 1 ? { gpuUuids: share.gpuUuids } : {}),
  }
}

export function etcdArguments(layout: Layout, clients: string, peers: string): readonly string[] {
  const files = {
    ca: authorityFile(layout),
    certificate: layout.certificateFile(etcdName),
    key: layout.keyFile(etcdName),
  }
  return [
    '--name=etcd',
    `--data-dir=${layout.etcdFolder}`,
    `--listen-client-urls=https://${clients}`,
    `--advertise-client-urls=https://${clients}`,
    `--listen-peer-urls=https://${peers}`,
    `--initial-advertise-peer-urls=https://${peers}`,
    `--initial-cluster=etcd=https://${peers}`,
    '--client-cert-auth',
    // Nodes have certificates of the same authority, and whoever writes to etcd is an admin.
    `--client-cert-allowed-hostname=${etcdClientName}`,
    `--trusted-ca-file=${files.ca}`,
    `--cert-file=${files.certificate}`,
    `--key-file=${files.key}`,
    '--peer-client-cert-auth',
    `--peer-cert-allowed-hostname=${etcdClientName}`,
    `--peer-trusted-ca-file=${files.ca}`,
    `--peer-cert-file=${files.certificate}`,
    `--peer-key-file=${files.key}`,
    `--max-txn-ops=${etcdMaxOperations}`,
    `--quota-backend-bytes=${etcdQuotaBytes}`,
    // Until a snapshot etcd keeps every transaction in memory: with its usual 100,000 that is gigabytes under load.
    '--snapshot-count=1000',
    // The leader compacts; left to itself etcd would do it by the hour.
    '--auto-compaction-retention=0',
    '--logger=zap',
    '--log-outputs=stderr',
  ]
}

function tlsFiles(layout: Layout, name: string): object {
  return {
    caFile: authorityFile(layout),
    certFile: layout.certificateFile(name),
    keyFile: layout.keyFile(name),
  }
}
