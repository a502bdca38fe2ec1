import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import type { ProcessPlan } from '../cluster/processes.js'
import { findPrograms, ourPrograms, programRoot } from '../cluster/programs.js'
import { localEnvironment } from '../cluster/settings.js'
import { Failure } from '../failure.js'
import { memberArguments, readEtcdSettings } from './etcd-settings.js'
import { type ProgramFolder, readIfThere } from './folders.js'
import { makeUnit } from './units.js'

/** What runs from a folder, and the unit that makes systemd run it. */
export interface StartPlan {
  readonly folder: ProgramFolder
  readonly process: ProcessPlan
  readonly unit: string
}

/** Throws Failure where the folder holds nothing that could be started, or etcd is not installed. */
export function planStart(folder: ProgramFolder): StartPlan {
  return folder.name === 'etcd' ? planEtcd(folder) : planOurs(folder)
}

function planEtcd(folder: ProgramFolder): StartPlan {
  const settings = readEtcdSettings(folder)
  const { etcd } = findPrograms(localEnvironment().searchPath, programRoot())
  const args = memberArguments(folder, settings)
  const mark = `--data-dir=${folder.dataFolder}`
  return planOf(folder, {
    command: [etcd, ...args],
    mark,
    address: `127.0.0.1:${settings.clientPort}`,
    ...{ cluster: settings.cluster, mounts: [folder.dir], read: [] },
  })
}

function planOurs(folder: ProgramFolder): StartPlan {
  const text = readIfThere(folder.settingsFile)
  if (text === undefined) throw nothingToStart(folder)
  const settings = settingsFrom(text, folder)
  const programs = ourPrograms(programRoot())
  const program = folder.name === 'node' ? programs.nodeAgent : programs.coordinator
  const mark = `--settings=${folder.settingsFile}`
  return planOf(folder, {
    command: [programs.node, program, mark],
    mark,
    address: settings.userListen,
    cluster: settings.clusterName ?? settings.name ?? '',
    mounts: [folder.dir, ...(settings.storeDir === undefined ? [] : [settings.storeDir])],
    read: [text, String(statSync(program).mtimeMs)],
  })
}

interface Given {
  readonly command: readonly string[]
  readonly mark: string
  readonly address: string | undefined
  readonly cluster: string
  readonly mounts: readonly string[]
  /** What else makes a running process one of before. */
  readonly read: readonly string[]
}

function planOf(folder: ProgramFolder, given: Given): StartPlan {
  const [command = '', ...args] = given.command
  const role = folder.name === 'node' ? ('node-agent' as const) : folder.name
  const content = { cluster: given.cluster, command: given.command, mounts: given.mounts }
  return {
    folder,
    unit: makeUnit(programRoot(), folder.name, content),
    process: {
      role,
      name: folder.name,
      command,
      args,
      mark: given.mark,
      address: given.address,
      needs: [],
      logFile: folder.layout.logFile(folder.name),
      fingerprint: createHash('sha256')
        .update(JSON.stringify([given.command, given.read]))
        .digest('hex'),
    },
  }
}

interface Peeked {
  readonly clusterName?: string
  readonly name?: string
  readonly userListen?: string
  readonly storeDir?: string
}

/** The little that we want to know of a program's settings; the program itself says what is wrong with them. */
function settingsFrom(text: string, folder: ProgramFolder): Peeked {
  try {
    return JSON.parse(text) as Peeked
  } catch (error) {
    throw new Failure('configuration', `${folder.settingsFile} holds no settings.`, { cause: error })
  }
}

function nothingToStart(folder: ProgramFolder): Failure {
  return folder.name === 'node'
    ? new Failure('error', `There is no node in ${folder.dir}: "spell node join" makes this machine one.`)
    : new Failure(
        'error',
        `There is no coordinator in ${folder.dir}: "spell cluster init" makes the first one, "spell coordinator join" others.`,
      )
}
