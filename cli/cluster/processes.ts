import { createHash } from 'node:crypto'
import { mkdirSync, statSync } from 'node:fs'
import type { Clock } from '../../common/clock.js'
import type { Layout } from './layout.js'
import {
  addressOf,
  coordinatorAddress,
  coordinatorNames,
  etcdClients,
  etcdName,
  etcdPeers,
  nodeNames,
} from './listeners.js'
import type { ClusterPlan } from './plan-file.js'
import { coordinatorSettings, etcdArguments, nodeSettings } from './program-settings.js'
import type { Programs } from './programs.js'
import { prepareTrust, readAdminToken } from './trust.js'
import { writeWhole } from './write-whole.js'

export type Role = 'etcd' | 'coordinator' | 'node-agent'

/** One process that is to run. */
export interface ProcessPlan {
  readonly role: Role
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** The argument by which a process is known to be this one. */
  readonly mark: string
  /** `host:port` that it serves; undefined for agents, which dial out. */
  readonly address: string | undefined
  /** `host:port` of what it needs; its first start waits a little for them. */
  readonly needs: readonly string[]
  readonly logFile: string
  /** Another one means that a running process must be started anew: its program or settings changed. */
  readonly fingerprint: string
}

export interface Preparation {
  readonly layout: Layout
  readonly plan: ClusterPlan
  readonly programs: Programs
  readonly userName: string
  readonly clock: Clock
}

/** Writes certificates and settings of all processes, and says what they are: etcd, then coordinators, then agents. */
export async function prepareProcesses(preparation: Preparation): Promise<readonly ProcessPlan[]> {
  const { layout, plan, clock } = preparation
  for (const folder of [layout.dir, layout.logFolder, layout.storeFolder, layout.etcdFolder])
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  await prepareTrust(
    layout,
    [
      { name: etcdName, commonName: 'etcd', ofEtcd: true },
      ...coordinatorNames(plan).map((name) => ({ name, commonName: `coordinator:${name}`, ofEtcd: true })),
      ...nodeNames(plan).map((name) => ({ name, commonName: `node:${name}`, ofEtcd: false })),
    ],
    clock,
  )
  return [etcdProcess(preparation), ...coordinatorProcesses(preparation), ...nodeProcesses(preparation)]
}

function etcdProcess({ layout, plan, programs }: Preparation): ProcessPlan {
  const address = addressOf(plan, etcdClients)
  const args = etcdArguments(layout, address, addressOf(plan, etcdPeers))
  return {
    role: 'etcd',
    name: etcdName,
    command: programs.etcd,
    args,
    mark: `--data-dir=${layout.etcdFolder}`,
    address,
    needs: [],
    logFile: layout.logFile(etcdName),
    // etcd reads renewed certificates by itself.
    fingerprint: hashOf([programs.etcd, ...args]),
  }
}

function coordinatorProcesses(preparation: Preparation): readonly ProcessPlan[] {
  const { layout, plan, programs, userName } = preparation
  const given = {
    administrator: { name: userName, token: readAdminToken(layout) },
    downloadFolder: programs.downloads,
  }
  return coordinatorNames(plan).map((name) => ({
    role: 'coordinator' as const,
    ...ourProgram(preparation, name, programs.coordinator, coordinatorSettings(layout, plan, name, given)),
    address: coordinatorAddress(plan, name, 'users'),
    needs: [addressOf(plan, etcdClients)],
  }))
}

function nodeProcesses(preparation: Preparation): readonly ProcessPlan[] {
  const { layout, plan, programs } = preparation
  const needs = coordinatorNames(plan).map((name) => coordinatorAddress(plan, name, 'agents'))
  return plan.shares.map((share, index) => {
    const name = nodeNames(plan)[index] ?? ''
    const settings = nodeSettings(layout, plan, name, share)
    return {
      role: 'node-agent' as const,
      ...ourProgram(preparation, name, programs.nodeAgent, settings),
      address: undefined,
      needs,
    }
  })
}

function ourProgram({ layout, programs }: Preparation, name: string, program: string, settings: object) {
  const file = layout.settingsFile(name)
  const content = `${JSON.stringify(settings, undefined, 2)}\n`
  writeWhole(file, content)
  mkdirSync(layout.dataFolder(name), { recursive: true, mode: 0o700 })
  const mark = `--settings=${file}`
  const built = statSync(program).mtimeMs
  return {
    name,
    command: programs.node,
    args: [program, mark],
    mark,
    logFile: layout.logFile(name),
    fingerprint: hashOf([programs.node, program, String(built), content]),
  }
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16)
}
