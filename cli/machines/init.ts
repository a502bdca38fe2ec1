import { createHash, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  etcdClientName,
  fingerprint,
  type KeyedCertificate,
  makeAuthority,
} from '../../common/certificates.js'
import { messageOf } from '../../common/errors.js'
import { clusterKeyText, newClusterKey } from '../../common/sealing.js'
import { findPrograms, programRoot } from '../cluster/programs.js'
import { localEnvironment } from '../cluster/settings.js'
import { writeWhole } from '../cluster/write-whole.js'
import { addContext, readConfig } from '../config.js'
import { Failure } from '../failure.js'
import type { World } from '../world.js'
import { coordinatorPorts, coordinatorSettings, type StoreChoice } from './coordinator-settings.js'
import { type EtcdMember, ownMember, parseMembers } from './etcd-members.js'
import { type EtcdSettings, etcdPorts, newEtcdSettings } from './etcd-settings.js'
import { machineRoot, type ProgramFolder, programFolder } from './folders.js'
import { addressesOf, at, hostFrom, nameOfMachine, ownAddresses, subjectNames, usualHost } from './hosts.js'
import { giveCertificate } from './new-certificates.js'
import { planStart } from './program-plans.js'
import { keepUnit } from './systemd.js'

export interface InitFlags {
  readonly name?: string
  readonly id?: string
  readonly address?: readonly string[]
  readonly etcd?: string
  readonly store?: string
  readonly shared?: true
  readonly allowProcessNodes?: true
  readonly dir?: string
}

/** A cluster that was made and whose programs do not run yet. */
export interface MadeCluster {
  readonly name: string
  readonly contextName: string
  readonly address: string
  readonly authorityHash: string
  readonly etcd: ProgramFolder
  readonly coordinator: ProgramFolder
  /** Folders that belong on other machines. */
  readonly otherMembers: readonly { readonly member: EtcdMember; readonly dir: string }[]
}

/** etcd's members have no part of the cluster beside them that could renew what they are trusted by. */
const etcdCertificateDays = 3650

interface Choices {
  readonly name: string
  readonly id: string
  readonly hosts: readonly string[]
  readonly members: readonly EtcdMember[]
  readonly own: EtcdMember
  readonly store: Exclude<StoreChoice, { kind: 'elsewhere' }>
  readonly allowProcessNodes: boolean
}

/**
 * Makes everything that the first machine of a cluster needs, in folders that its programs are started from. Nothing of it
 * counts before the coordinator's settings are written, last of all: interrupted, it can be done again.
 */
export async function makeCluster(world: World, flags: InitFlags): Promise<MadeCluster> {
  const root = machineRoot(world, flags.dir)
  const etcd = programFolder('etcd', join(root, 'etcd'))
  const coordinator = programFolder('coordinator', join(root, 'coordinator'))
  for (const folder of [coordinator, etcd]) refuseIfThere(folder, coordinator)
  findPrograms(localEnvironment().searchPath, programRoot())
  const choices = await choose(world, coordinator, flags)
  makeFolders([etcd.dir, coordinator.dir, choices.store.dir])
  const authority = await makeAuthority(`spell ${choices.name}`, world.clock)
  const otherMembers = await makeMembers(world, root, etcd, authority, choices)
  const token = randomBytes(32).toString('base64url')
  const address = at(choices.hosts[0] ?? '', coordinatorPorts.users)
  const contextName = await rememberLogin(world, choices, authority, address, token)
  await makeCoordinator(world, coordinator, authority, choices, token)
  for (const folder of [etcd, coordinator]) await keepUnit(folder, planStart(folder).unit)
  const authorityHash = fingerprint(authority.certificatePem)
  return { name: choices.name, contextName, address, authorityHash, etcd, coordinator, otherMembers }
}

async function choose(world: World, coordinator: ProgramFolder, flags: InitFlags): Promise<Choices> {
  const id = flags.id ?? nameOfMachine()
  const name = flags.name ?? nameOfMachine()
  for (const [option, value] of [
    ['--name', name],
    ['--id', id],
  ] as const)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value))
      throw new Failure('usage', `${option} must be a name of letters, digits, - . _, not "${value}".`)
  const usual = flags.address === undefined ? await usualHost() : undefined
  const hosts = flags.address?.map((host) => hostFrom('--address', host)) ?? (usual ? [usual] : [])
  if (hosts.length === 0)
    throw new Failure('usage', 'This machine has no address that others could dial: name one with --address.')
  const members =
    flags.etcd === undefined ? [{ name: id.slice(0, 31), host: hosts[0] ?? '' }] : parseMembers(flags.etcd)
  const own = flags.etcd === undefined ? members[0] : await ownMember(members, hosts)
  if (!own) throw new Error('Invariant broken: an etcd has a member')
  if (flags.shared && flags.store === undefined)
    throw new Failure('usage', '--shared says that --store is a folder which every coordinator has; name it.')
  const dir = flags.store === undefined ? join(coordinator.dir, 'store') : resolve(world.cwd, flags.store)
  const store = { kind: flags.shared ? 'shared' : 'home', dir } as const
  return { name, id, hosts, members, own, store, allowProcessNodes: flags.allowProcessNodes === true }
}

async function makeMembers(
  world: World,
  root: string,
  etcd: ProgramFolder,
  authority: KeyedCertificate,
  { name, members, own }: Choices,
): Promise<MadeCluster['otherMembers']> {
  const token = `spell-${randomBytes(8).toString('hex')}`
  const others: { member: EtcdMember; dir: string }[] = []
  for (const member of members) {
    const isOwn = member === own
    const dir = isOwn ? etcd.dir : join(root, 'etcd-members', member.name)
    const folder = programFolder('etcd', dir)
    // etcd compares where a connection comes from with the names: an address needs no DNS for that.
    const addresses = isOwn ? ownAddresses() : await addressesOf(member.host)
    const names = subjectNames([member.host, ...addresses, etcdClientName])
    await giveCertificate(folder, authority, {
      commonName: `etcd:${member.name}`,
      ...names,
      days: etcdCertificateDays,
      clock: world.clock,
    })
    const settings: EtcdSettings = newEtcdSettings({
      ...{ cluster: name, token, name: member.name },
      members: members.map((one) => ({ ...one })),
    })
    writeWhole(folder.settingsFile, `${JSON.stringify(settings, undefined, 2)}\n`)
    if (!isOwn) others.push({ member, dir })
  }
  return others
}

async function makeCoordinator(
  world: World,
  folder: ProgramFolder,
  authority: KeyedCertificate,
  { name, id, hosts, members, own, store, allowProcessNodes }: Choices,
  token: string,
): Promise<void> {
  await giveCertificate(folder, authority, {
    commonName: `coordinator:${id}`,
    ...subjectNames([...hosts, ...ownAddresses(), etcdClientName]),
    clock: world.clock,
  })
  writeWhole(folder.trust.authorityKeyFile, authority.keyPem)
  writeWhole(folder.trust.clusterKeyFile, clusterKeyText(newClusterKey()))
  const nearestFirst = [own, ...members.filter((member) => member !== own)]
  const settings = coordinatorSettings(folder, {
    ...{ id, clusterName: name, host: hosts[0] ?? '', store, allowProcessNodes },
    etcdEndpoints: nearestFirst.map((member) => at(member.host, etcdPorts.clients)),
    authorityKeyFile: folder.trust.authorityKeyFile,
    bootstrapUser: {
      name: localEnvironment().userName,
      tokenSha256: createHash('sha256').update(token).digest('hex'),
    },
  })
  writeWhole(folder.settingsFile, `${JSON.stringify(settings, undefined, 2)}\n`)
}

async function rememberLogin(
  world: World,
  { name }: Choices,
  authority: KeyedCertificate,
  address: string,
  token: string,
): Promise<string> {
  const { directory } = world.settings
  const taken = new Set((await readConfig(directory)).contexts.map((context) => context.name))
  let contextName = name
  for (let count = 2; taken.has(contextName); count++) contextName = `${name}-${count}`
  const userName = localEnvironment().userName
  await addContext(
    directory,
    { name: contextName, addresses: [address], ca: authority.certificatePem, token, userName },
    'if-none',
  )
  return contextName
}

function refuseIfThere(folder: ProgramFolder, coordinator: ProgramFolder): void {
  if (existsSync(coordinator.settingsFile))
    throw new Failure(
      'error',
      `There is a coordinator in ${coordinator.dir} already; "spell coordinator start" starts it. To make a new cluster, move that folder away or use --dir.`,
    )
  if (existsSync(folder.dataFolder))
    throw new Failure(
      'error',
      `${folder.dataFolder} holds the data of another cluster: move it away, or use --dir.`,
    )
}

function makeFolders(folders: readonly string[]): void {
  for (const folder of folders) {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
    } catch (error) {
      throw new Failure('error', `${folder} cannot be made: ${messageOf(error)}`, { cause: error })
    }
  }
}
