import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { etcdClientName } from '../../common/certificates.js'
import { clusterKeyText } from '../../common/sealing.js'
import type { JoinCoordinatorResponse__Output } from '../../proto/gen/spell/v1/JoinCoordinatorResponse.js'
import { writeWhole } from '../cluster/write-whole.js'
import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import { coordinatorPorts, coordinatorSettings, type StoreChoice } from './coordinator-settings.js'
import { folderOf, type ProgramFolder } from './folders.js'
import { at, hostFrom, isThisMachine, nameOfMachine, ownAddresses, splitAddress, usualHost } from './hosts.js'
import { addressesFrom, callJoin, claim, type JoinFlags, joinToken, trustCluster } from './join-call.js'
import { planStart } from './program-plans.js'
import { type StartFlags, startAll } from './start.js'

export interface JoinCoordinatorFlags extends JoinFlags, StartFlags {
  readonly name?: string
  readonly address?: readonly string[]
  readonly store?: string
  readonly shared?: true
  readonly allowProcessNodes?: true
}

/** Makes this machine a coordinator of the cluster and starts it. */
export async function joinAsCoordinator(
  world: World,
  written: string,
  flags: JoinCoordinatorFlags,
): Promise<void> {
  const folder = folderOf(world, 'coordinator', flags.dir)
  if (existsSync(folder.settingsFile))
    throw new Failure(
      'error',
      `There is a coordinator in ${folder.dir} already; "spell coordinator start" starts it.`,
    )
  const hosts = await hostsFrom(flags)
  const cluster = await trustCluster(addressesFrom(written), flags.caHash)
  const token = await joinToken(world, flags)
  const id = flags.name ?? nameOfMachine()
  const answer = await callJoin<JoinCoordinatorResponse__Output>(world, cluster, 'Coordinator', {
    ...(await claim(folder, token)),
    id,
    userAddress: at(hosts[0] ?? '', coordinatorPorts.users),
    agentAddress: at(hosts[0] ?? '', coordinatorPorts.agents),
    // etcd compares where a connection comes from with the certificate's names: an address needs no DNS for that.
    names: [...new Set([...hosts, ...ownAddresses()])].filter((host) => host !== etcdClientName),
  })
  const store = storeFrom(world, flags, answer)
  await settle(folder, { id, hosts, store, answer, allowProcessNodes: flags.allowProcessNodes === true })
  note(world, `This machine is the coordinator ${id} of the cluster ${answer.clusterName}.`)
  await startAll(world, [planStart(folder)], flags)
}

async function hostsFrom({ address }: JoinCoordinatorFlags): Promise<readonly string[]> {
  const usual = address === undefined ? await usualHost() : undefined
  const hosts = address?.map((host) => hostFrom('--address', host)) ?? (usual ? [usual] : [])
  if (hosts.length > 0) return hosts
  throw new Failure('usage', 'This machine has no address that others could dial: name one with --address.')
}

/** Coordinators meet in one store: one of them serves it, or all have its folder, which the mark in it shows. */
function storeFrom(
  world: World,
  flags: JoinCoordinatorFlags,
  { storeHome, storeDirectory }: JoinCoordinatorResponse__Output,
): StoreChoice {
  if (storeHome !== '') {
    if (flags.store === undefined && !flags.shared) return { kind: 'elsewhere', home: storeHome }
    throw new Failure(
      'usage',
      `The cluster's store is at home on the coordinator ${storeHome}, which serves it: leave out --store and --shared.`,
    )
  }
  const dir = flags.store === undefined ? storeDirectory : resolve(world.cwd, flags.store)
  if (!existsSync(join(dir, '.spell')))
    throw new Failure(
      'error',
      `${dir} is not the cluster's store: it has no .spell. All coordinators need the same folder (NFS or the like); mount it and name it with --store DIR --shared.`,
    )
  return { kind: 'shared', dir }
}

interface Joined {
  readonly id: string
  readonly hosts: readonly string[]
  readonly store: StoreChoice
  readonly allowProcessNodes: boolean
  readonly answer: JoinCoordinatorResponse__Output
}

/** The settings last: with them the folder is a coordinator's. */
async function settle(folder: ProgramFolder, joined: Joined): Promise<void> {
  const { answer, id, hosts, store, allowProcessNodes } = joined
  mkdirSync(folder.dataFolder, { recursive: true, mode: 0o700 })
  writeWhole(folder.trust.caFile, answer.caPem)
  writeWhole(folder.trust.certFile, answer.certificatePem)
  writeWhole(folder.trust.clusterKeyFile, clusterKeyText(answer.clusterKey))
  const settings = coordinatorSettings(folder, {
    ...{ id, clusterName: answer.clusterName, host: hosts[0] ?? '', store, allowProcessNodes },
    etcdEndpoints: await nearestFirst(answer.etcdEndpoints),
    etcdPrefix: answer.etcdPrefix,
    etcdMaxOperations: answer.etcdMaxOperations,
    etcdQuotaBytes: answer.etcdQuotaBytes,
  })
  writeWhole(folder.settingsFile, `${JSON.stringify(settings, undefined, 2)}\n`)
}

/** A member on this machine is asked before the others. */
async function nearestFirst(endpoints: readonly string[]): Promise<readonly string[]> {
  const own: string[] = []
  for (const endpoint of endpoints) if (await isThisMachine(splitAddress(endpoint).host)) own.push(endpoint)
  return [...own, ...endpoints.filter((endpoint) => !own.includes(endpoint))]
}
