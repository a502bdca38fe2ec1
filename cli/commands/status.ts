import type { Command } from 'commander'
import type { StatusResponse__Output } from '../../proto/gen/spell/v1/StatusResponse.js'
import { connect } from '../api.js'
import { define } from '../define.js'
import { humanBytes } from '../output/bytes.js'
import { commaSeparated } from '../output/table.js'
import type { World } from '../world.js'

interface StatusOptions {
  readonly context?: string
  readonly raw?: boolean
  readonly json?: boolean
}

export function build(world: World): Command {
  const command = define(world, 'status', 'Show how many runs there are, and how many may be at once.')
    .option('--raw', 'comma-separated: total, queued due to concurrency, limit')
    .option('--json', 'as a JSON object')
    .addHelpText('after', '\nExample:\n  spell status\n')
  return command.action(async () => {
    const options = command.opts<StatusOptions>()
    const api = await connect(world, options.context)
    const status = await api.call<StatusResponse__Output>('Account', 'Status', {})
    world.stdout.write(shown(status, options))
  })
}

function shown(status: StatusResponse__Output, options: StatusOptions): string {
  const { totalRuns, queuedForConcurrency, concurrencyLimit } = status
  if (options.raw) return commaSeparated([totalRuns, queuedForConcurrency, concurrencyLimit].map(String))
  if (options.json) return `${JSON.stringify(asJson(status))}\n`
  const lines = [
    `total: ${totalRuns} runs`,
    `currently queued due to concurrency: ${queuedForConcurrency} runs`,
    `plan concurrency limit: ${concurrencyLimit === 0 ? 'none' : `${concurrencyLimit} runs`}`,
    `active: ${status.activeRuns} runs`,
    `queued for a machine: ${status.queuedForMachine} runs`,
  ]
  if (status.etcdQuotaBytes > 0) {
    lines.push(`database: ${humanBytes(status.etcdBytes)} of ${humanBytes(status.etcdQuotaBytes)}`)
  }
  return lines.map((line) => `${line}\n`).join('')
}

function asJson(status: StatusResponse__Output): object {
  return {
    total_runs: status.totalRuns,
    queued_for_concurrency: status.queuedForConcurrency,
    concurrency_limit: status.concurrencyLimit || null,
    queued_for_machine: status.queuedForMachine,
    active_runs: status.activeRuns,
    etcd_bytes: status.etcdBytes,
    etcd_quota_bytes: status.etcdQuotaBytes,
  }
}
