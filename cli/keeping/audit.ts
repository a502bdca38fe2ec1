import type { Command } from 'commander'
import type { AuditEntry__Output } from '../../proto/gen/spell/v1/AuditEntry.js'
import { connect } from '../api.js'
import { defineBelow, mostOnTheWire, wholeNumber } from '../define.js'
import { localTime } from '../output/dates.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import { note, type World } from '../world.js'

interface Flags {
  readonly context?: string
  readonly number: number
  readonly user?: string
  readonly json?: true
}

/** `spell cluster audit`: who did what. */
export function addAudit(world: World, cluster: Command): void {
  const command = defineBelow(world, cluster, 'audit', 'Show who changed what, and who was refused.')
    .option('-n, --number <n>', 'the newest so many', wholeNumber(1, mostOnTheWire), 50)
    .option('--user <name>', 'only what this user did')
    .option('--json', 'a JSON object a line')
  command.action(async () => {
    const { context, number, user, json } = command.optsWithGlobals<Flags>()
    const api = await connect(world, context)
    const request = { limit: number, user: user ?? '' }
    const entries: AuditEntry__Output[] = []
    for await (const entry of api.stream<AuditEntry__Output>('Keeping', 'Audit', request)) entries.push(entry)
    if (json) {
      for (const entry of entries) world.stdout.write(`${JSON.stringify(asJson(entry))}\n`)
      return
    }
    world.stdout.write(
      table(
        ['TIME', 'USER', 'CALL', 'STATUS', 'ABOUT', 'FROM'],
        entries.map((entry) => row(entry)),
      ),
    )
    const [newest] = entries.slice(-1)
    if (newest)
      note(
        world,
        `These are of ${newest.coordinatorId}, which leads now; what was done while another led is in its files.`,
      )
  })
}

function row(entry: AuditEntry__Output): readonly string[] {
  const about = Object.entries(entry.about).map(([name, value]) => `${name}=${value}`)
  if (entry.reason !== '') about.push(entry.reason)
  if (entry.more > 0) about.push(`(and ${entry.more} more that were refused before)`)
  const from = entry.via === '' ? entry.address : `${entry.address} by ${entry.via}`
  return [
    localTime(entry.atMs),
    entry.user || '-',
    entry.method,
    entry.status,
    about.join(' ') || '-',
    from,
  ].map(printable)
}

function asJson(entry: AuditEntry__Output): object {
  return {
    at: new Date(entry.atMs).toISOString(),
    user: entry.user || null,
    method: entry.method,
    status: entry.status,
    address: entry.address,
    via: entry.via || null,
    about: entry.about,
    reason: entry.reason || null,
    more_refused: entry.more,
    coordinator: entry.coordinatorId,
  }
}
