import { z } from 'zod'
import { etcdClientName } from '../../common/certificates.js'
import { etcdMaxOperations, etcdQuotaBytes } from '../cluster/program-settings.js'
import { Failure } from '../failure.js'
import { type ProgramFolder, readIfThere } from './folders.js'
import { at, listenAt } from './hosts.js'

export const etcdPorts = { clients: 2379, peers: 2380 } as const

const schema = z.object({
  v: z.literal(1),
  /** Of the cluster, for people. */
  cluster: z.string().min(1),
  /** Keeps members of different clusters apart. */
  token: z.string().min(1),
  /** Which of the members this is. */
  name: z.string().min(1),
  members: z.array(z.object({ name: z.string().min(1), host: z.string().min(1) })).min(1),
  clientPort: z.int().positive(),
  peerPort: z.int().positive(),
  /** Between two beats of etcd's leader, and without one for how long until another is elected; milliseconds. */
  heartbeatMs: z.int().positive(),
  electionMs: z.int().positive(),
  quotaBytes: z.int().positive(),
  maxOperations: z.int().positive(),
})

/** What a member of etcd is started with. All members' differ in `name` only. */
export type EtcdSettings = Readonly<z.output<typeof schema>>

export function newEtcdSettings(
  given: Pick<EtcdSettings, 'cluster' | 'token' | 'name' | 'members'>,
): EtcdSettings {
  return {
    v: 1,
    ...given,
    clientPort: etcdPorts.clients,
    peerPort: etcdPorts.peers,
    heartbeatMs: 100,
    electionMs: 1_000,
    quotaBytes: etcdQuotaBytes,
    maxOperations: etcdMaxOperations,
  }
}

/** Throws Failure where there is none or none that can be understood. */
export function readEtcdSettings(folder: ProgramFolder): EtcdSettings {
  const text = readIfThere(folder.settingsFile)
  if (text === undefined)
    throw new Failure(
      'error',
      `There is no etcd in ${folder.dir}: "spell cluster init" makes one, and the folders of its other members.`,
    )
  try {
    return schema.parse(JSON.parse(text))
  } catch (error) {
    const sentence = `${folder.settingsFile} does not describe a member of etcd.`
    throw new Failure('configuration', sentence, { cause: error })
  }
}

/** The words behind `etcd`. */
export function memberArguments(folder: ProgramFolder, settings: EtcdSettings): readonly string[] {
  const own = settings.members.find((member) => member.name === settings.name)
  if (!own)
    throw new Failure(
      'configuration',
      `${folder.settingsFile} names no host for the member ${settings.name}.`,
    )
  const { caFile, certFile, keyFile } = folder.trust
  const peers = settings.members.map(({ name, host }) => `${name}=https://${at(host, settings.peerPort)}`)
  return [
    `--name=${settings.name}`,
    `--data-dir=${folder.dataFolder}`,
    `--listen-client-urls=https://${listenAt(own.host, settings.clientPort)}`,
    `--advertise-client-urls=https://${at(own.host, settings.clientPort)}`,
    `--listen-peer-urls=https://${listenAt(own.host, settings.peerPort)}`,
    `--initial-advertise-peer-urls=https://${at(own.host, settings.peerPort)}`,
    `--initial-cluster=${peers.join(',')}`,
    `--initial-cluster-token=${settings.token}`,
    // A member that has data does not look at it: starting again needs no other words.
    '--initial-cluster-state=new',
    // One that was cut off does not disturb the others when it is back.
    '--pre-vote=true',
    `--heartbeat-interval=${settings.heartbeatMs}`,
    `--election-timeout=${settings.electionMs}`,
    '--client-cert-auth',
    `--client-cert-allowed-hostname=${etcdClientName}`,
    `--trusted-ca-file=${caFile}`,
    `--cert-file=${certFile}`,
    `--key-file=${keyFile}`,
    '--peer-client-cert-auth',
    `--peer-cert-allowed-hostname=${etcdClientName}`,
    `--peer-trusted-ca-file=${caFile}`,
    `--peer-cert-file=${certFile}`,
    `--peer-key-file=${keyFile}`,
    `--max-txn-ops=${settings.maxOperations}`,
    `--quota-backend-bytes=${settings.quotaBytes}`,
    // Until a snapshot etcd keeps every transaction in memory: with its usual 100,000 that is gigabytes under load.
    '--snapshot-count=1000',
    // The leader of the coordinators compacts; left to itself etcd would do it by the hour.
    '--auto-compaction-retention=0',
    '--logger=zap',
    '--log-outputs=stderr',
  ]
}
