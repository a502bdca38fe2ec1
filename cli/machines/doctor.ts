import { existsSync, readFileSync } from 'node:fs'
import { localEnvironment } from '../cluster/settings.js'
import { Quit } from '../failure.js'
import { note, type World } from '../world.js'
import type { Finding } from './checks/facts.js'
import { gatherFacts } from './checks/gather.js'
import { judge } from './checks/rules.js'
import { findingLines } from './checks/say.js'
import { folderOf, type ProgramFolder } from './folders.js'
import { addressesFrom } from './join-call.js'

export interface DoctorFlags {
  readonly runtime?: 'docker' | 'process'
  readonly dockerSocket?: string
  readonly dir?: string
  readonly json?: true
}

/** What `spell node join` looks at, on a machine that is a node (as its settings say) or is to be one. */
export async function examine(world: World, written: string | undefined, flags: DoctorFlags): Promise<void> {
  const folder = folderOf(world, 'node', flags.dir)
  const known = settingsOf(folder)
  const given = written === undefined ? undefined : addressesFrom(written)
  const environment = localEnvironment()
  const facts = await gatherFacts(
    {
      runtime: flags.runtime ?? known?.runtime ?? 'docker',
      socketPath: flags.dockerSocket ?? known?.docker?.socketPath ?? environment.dockerSocket,
      dataFolder: folder.dataFolder,
      coordinators: given ?? known?.coordinators ?? [],
      clocks: given ?? known?.userAddresses ?? [],
      searchPath: environment.searchPath,
    },
    world.clock,
  )
  const findings = judge(facts)
  if (flags.json)
    world.stdout.write(`${JSON.stringify({ node: known?.name ?? null, findings: findings.map(asJson) })}\n`)
  else {
    if (known) note(world, `This machine is the node ${known.name}.`)
    world.stdout.write(findingLines(world, findings))
  }
  if (findings.some(({ level }) => level === 'error')) throw new Quit(1)
}

interface NodeSettings {
  readonly name: string
  readonly runtime?: 'docker' | 'process'
  readonly docker?: { readonly socketPath: string }
  readonly coordinators: readonly string[]
  readonly userAddresses?: readonly string[]
}

/** Undefined: this machine is no node. */
function settingsOf(folder: ProgramFolder): NodeSettings | undefined {
  if (!existsSync(folder.settingsFile)) return undefined
  return JSON.parse(readFileSync(folder.settingsFile, 'utf8')) as NodeSettings
}

function asJson({ level, sentence, remedy }: Finding): object {
  return { level, sentence, remedy: remedy ?? null }
}
