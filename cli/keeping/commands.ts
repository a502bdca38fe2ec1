import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { RepairResponse__Output } from '../../proto/gen/spell/v1/RepairResponse.js'
import { connect } from '../api.js'
import { withDir } from '../cluster/cluster-dir.js'
import { defineBelow } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { printable } from '../output/style.js'
import { note, type World } from '../world.js'
import { addAudit } from './audit.js'
import type { Backup } from './backup.js'

interface Flags {
  readonly context?: string
  readonly force?: true
  readonly json?: true
}

/** `spell cluster backup`, `restore`, `repair` and `audit`. */
export function addKeepingCommands(world: World, cluster: Command): void {
  addBackup(world, cluster)
  addRestore(world, cluster)
  addRepair(world, cluster)
  addAudit(world, cluster)
}

function addBackup(world: World, cluster: Command): void {
  const command = defineBelow(world, cluster, 'backup', "Write the cluster's state (etcd) to a file.")
    .argument('<file>', 'the file to make')
    .option('-f, --force', 'overwrite the file if it is there')
    .option('--json', 'as a JSON object')
  command.action(async (file: string) => {
    const flags = command.optsWithGlobals<Flags>()
    const api = await connect(world, flags.context)
    const { takeBackup } = await import('./backup.js')
    const path = resolve(world.cwd, file)
    const backup = await takeBackup(world, api, { path, overwrite: flags.force ?? false })
    world.stdout.write(`${flags.json ? backupJson(path, backup) : backupSentence(path, backup)}\n`)
    if (!flags.json) note(world, besides(backup))
  })
}

function addRestore(world: World, cluster: Command): void {
  const command = withDir(
    defineBelow(world, cluster, 'restore', 'Give a cluster that is down the state that a backup holds.'),
  )
    .argument('<file>', 'what "spell cluster backup" has written')
    .option('--json', 'as a JSON object')
  command.action(async (file: string) => {
    const { json } = command.opts<Flags>()
    const { restore } = await import('./restore-command.js')
    const { dir, status, bytes, before, next } = await restore(world, resolve(world.cwd, file), command)
    if (json) {
      const facts = { dir, bytes, revision: status.revision, keys: status.keys, before: before ?? null }
      world.stdout.write(`${JSON.stringify(facts)}\n`)
      return
    }
    const aside = before === undefined ? '' : ` What was there before is in ${before}.`
    world.stdout.write(
      `${printable(`Restored: revision ${status.revision}, ${status.keys} keys, ${humanBytes(bytes)}.${aside}`)}\n`,
    )
    note(
      world,
      'The backup holds neither the store nor cluster.key: those that are there stay what they are.',
    )
    for (const sentence of next) note(world, sentence)
    note(world, 'When all nodes are back: "spell cluster repair". Until then no run is accepted.')
  })
}

function addRepair(world: World, cluster: Command): void {
  const command = defineBelow(
    world,
    cluster,
    'repair',
    'After a restored backup: let runs be accepted again.',
  )
    .option('-f, --force', 'also while a node or the store that may know of newer runs is away')
    .option('--json', 'as a JSON object')
  command.action(async () => {
    const flags = command.optsWithGlobals<Flags>()
    const api = await connect(world, flags.context)
    const answer = await api.call<RepairResponse__Output>('Keeping', 'Repair', {
      force: flags.force ?? false,
    })
    world.stdout.write(flags.json ? `${JSON.stringify(repairJson(answer))}\n` : repairLines(answer))
  })
}

function backupSentence(path: string, { facts, bytes, status }: Backup): string {
  const runs = facts.newestRunId === 0 ? 'no runs yet' : `runs up to ${facts.newestRunId}`
  const checked = status ? `revision ${status.revision}` : 'its hash is right'
  return printable(`${path}: ${humanBytes(bytes)}, ${checked}, ${runs} of ${facts.clusterName}.`)
}

function besides({ facts }: Backup): string {
  const key = facts.clusterKeyFile ? `, and its key, ${facts.clusterKeyFile}` : ''
  const home = facts.storeHome ? ` (of the coordinator ${facts.storeHome})` : ''
  const store = facts.storeDirectory || 'a folder named in its settings'
  return `Not in it, and needed beside it: the cluster's store, ${store}${home}${key}. The file lets whoever has it into the cluster's accounts: keep it as safe as those.`
}

function backupJson(path: string, { facts, bytes, status }: Backup): string {
  return JSON.stringify({
    file: path,
    bytes,
    revision: status?.revision ?? null,
    newest_run_id: facts.newestRunId,
    cluster: facts.clusterName,
    generation: facts.generation,
    taken_at: new Date(facts.takenAtMs).toISOString(),
    store_directory: facts.storeDirectory || null,
    store_home: facts.storeHome || null,
    cluster_key_file: facts.clusterKeyFile || null,
  })
}

function repairLines(answer: RepairResponse__Output): string {
  const { newestRunId, newestRunIdBefore, restored, shown, unheardNodes } = answer
  const lines = shown.map(({ by, runId }) => `The newest run that ${by} knows of is ${runId}.`)
  if (unheardNodes.length > 0) lines.push(`Not heard, and not counted: ${unheardNodes.join(', ')}.`)
  const raised =
    newestRunId === newestRunIdBefore
      ? `The newest run is ${newestRunId}, as it was.`
      : `The newest run is ${newestRunId} now; etcd had it at ${newestRunIdBefore}.`
  const changed = restored || newestRunId !== newestRunIdBefore
  lines.push(`${raised} ${changed ? 'Runs are accepted again.' : 'There was nothing to repair.'}`)
  return lines.map((line) => `${printable(line)}\n`).join('')
}

function repairJson(answer: RepairResponse__Output): object {
  return {
    newest_run_id_before: answer.newestRunIdBefore,
    newest_run_id: answer.newestRunId,
    restored: answer.restored,
    shown: answer.shown.map(({ by, runId }) => ({ by, run_id: runId })),
    unheard_nodes: answer.unheardNodes,
  }
}
