import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import type { JoinNodeResponse__Output } from '../../proto/gen/spell/v1/JoinNodeResponse.js'
import { localEnvironment } from '../cluster/settings.js'
import { writeWhole } from '../cluster/write-whole.js'
import { Failure } from '../failure.js'
import { note, type World } from '../world.js'
import type { Finding } from './checks/facts.js'
import { dial, gatherFacts, type Question } from './checks/gather.js'
import { judge, judgeLinks } from './checks/rules.js'
import { findingLines } from './checks/say.js'
import { folderOf, type ProgramFolder } from './folders.js'
import { nameOfMachine } from './hosts.js'
import {
  addressesFrom,
  callJoin,
  claim,
  type JoinFlags,
  joinToken,
  type TrustedCluster,
  trustCluster,
} from './join-call.js'
import { planStart } from './program-plans.js'
import { type StartFlags, startAll } from './start.js'

export interface JoinNodeFlags extends JoinFlags, StartFlags {
  readonly name?: string
  readonly runtime?: 'docker' | 'process'
  readonly dockerSocket?: string
  readonly force?: true
}

/** Checks the machine, makes it a node of the cluster and starts it. The same folder may join again: it is the same node. */
export async function joinAsNode(world: World, written: string, flags: JoinNodeFlags): Promise<void> {
  const folder = folderOf(world, 'node', flags.dir)
  const addresses = addressesFrom(written)
  const environment = localEnvironment()
  const question: Question = {
    runtime: flags.runtime ?? 'docker',
    socketPath: flags.dockerSocket ?? environment.dockerSocket,
    dataFolder: folder.dataFolder,
    coordinators: addresses,
    clocks: addresses,
    searchPath: environment.searchPath,
  }
  refuseFor(world, judge(await gatherFacts(question, world.clock)), flags)
  const cluster = await trustCluster(addresses, flags.caHash)
  const answer = await join(world, folder, cluster, flags)
  // Only now is it known where nodes dial.
  const coordinators = await Promise.all(answer.coordinators.map(dial))
  refuseFor(world, judgeLinks({ coordinators }), flags)
  settle(folder, question, flags, answer)
  note(
    world,
    `This machine is the node ${nameFrom(flags)} (${answer.nodeId}) of the cluster ${answer.clusterName}.`,
  )
  await startAll(world, [planStart(folder)], flags)
}

async function join(
  world: World,
  folder: ProgramFolder,
  cluster: TrustedCluster,
  flags: JoinNodeFlags,
): Promise<JoinNodeResponse__Output> {
  const token = await joinToken(world, flags)
  return await callJoin<JoinNodeResponse__Output>(world, cluster, 'Node', {
    ...(await claim(folder, token)),
    name: nameFrom(flags),
    machineId: existsSync('/etc/machine-id') ? readFileSync('/etc/machine-id', 'utf8').trim() : '',
  })
}

/** Says what is wrong. Throws Failure when something is that keeps a machine from being a node. */
function refuseFor(world: World, findings: readonly Finding[], flags: JoinNodeFlags): void {
  const wrong = findings.filter(({ level }) => level !== 'ok')
  world.stderr.write(findingLines(world, wrong))
  const errors = wrong.filter(({ level }) => level === 'error').length
  if (errors === 0) return
  if (flags.force) {
    note(world, 'Going on all the same, as --force says.')
    return
  }
  const how = errors === 1 ? 'one thing is' : `${errors} things are`
  throw new Failure(
    'error',
    `This machine is not fit to be a node yet: ${how} wrong. Mend that, or use --force.`,
  )
}

function nameFrom(flags: JoinNodeFlags): string {
  return flags.name ?? nameOfMachine()
}

/** The settings last: with them the folder is a node's. */
function settle(
  folder: ProgramFolder,
  question: Question,
  flags: JoinNodeFlags,
  answer: JoinNodeResponse__Output,
): void {
  const { caFile, certFile, keyFile } = folder.trust
  mkdirSync(folder.dataFolder, { recursive: true, mode: 0o700 })
  writeWhole(caFile, answer.caPem)
  writeWhole(certFile, answer.certificatePem)
  const settings = {
    name: nameFrom(flags),
    dataDir: folder.dataFolder,
    coordinators: answer.coordinators,
    userAddresses: answer.userAddresses,
    tls: { caFile, certFile, keyFile },
    runtime: question.runtime,
    docker: { socketPath: question.socketPath },
  }
  writeWhole(folder.settingsFile, `${JSON.stringify(settings, undefined, 2)}\n`)
}
