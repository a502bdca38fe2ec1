import type { Command } from 'commander'
import type { User__Output } from '../../proto/gen/spell/v1/User.js'
import { connect } from '../api.js'
import { define } from '../define.js'
import { printable } from '../output/style.js'
import { commaSeparated, table } from '../output/table.js'
import { userAsJson } from '../output/user-json.js'
import type { World } from '../world.js'

interface WhoAmIOptions {
  readonly context?: string
  readonly raw?: boolean
  readonly json?: boolean
}

export function build(world: World): Command {
  const command = define(world, 'whoami', 'Show who is logged in, and where.')
    .option('--raw', 'comma-separated: name, email, role')
    .option('--json', 'as a JSON object')
    .addHelpText('after', '\nExample:\n  spell whoami\n')
  return command.action(async () => {
    const options = command.opts<WhoAmIOptions>()
    const api = await connect(world, options.context)
    const user = await api.call<User__Output>('Account', 'WhoAmI', {})
    world.stdout.write(shown(user, options, api.login.contextName ?? '', api.login.addresses))
  })
}

function shown(
  user: User__Output,
  options: WhoAmIOptions,
  context: string,
  addresses: readonly string[],
): string {
  if (options.raw) return commaSeparated([user.name, user.email, user.role])
  if (options.json) return `${JSON.stringify(userAsJson(user, context, addresses))}\n`
  const rows: readonly (readonly [string, string])[] = [
    ['Username', user.name],
    ['Email', user.email],
    ['Role', user.role],
    ['Context', context],
    ['Cluster', addresses.join(', ')],
  ]
  return table(
    [],
    rows.filter(([, value]) => value !== '').map(([title, value]) => [title, printable(value)]),
  )
}
