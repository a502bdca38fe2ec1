import { type Command, Option } from 'commander'
import type { Invitation__Output } from '../../proto/gen/spell/v1/Invitation.js'
import type { ListUsersResponse__Output } from '../../proto/gen/spell/v1/ListUsersResponse.js'
import type { Person__Output } from '../../proto/gen/spell/v1/Person.js'
import type { RemoveUserResponse__Output } from '../../proto/gen/spell/v1/RemoveUserResponse.js'
import { type Api, connect } from '../api.js'
import { defineBelow, mostOnTheWire, wholeNumber } from '../define.js'
import { Failure } from '../failure.js'
import { localTime } from '../output/dates.js'
import { timeAsJson } from '../output/run-json.js'
import { printable } from '../output/style.js'
import { table } from '../output/table.js'
import type { World } from '../world.js'
import { installLine } from './install-line.js'
import { type Invitation, invitationAsJson, invitationText } from './invitation.js'

interface UserOptions {
  readonly context?: string
  readonly json?: boolean
  readonly role?: string
  readonly maxRuns?: number
  readonly email?: string
}

const examples = `
Roles: a viewer looks, a member submits runs and steers its own, an admin does everything.

Examples:
  spell cluster user add ann
  spell cluster user add grace --role admin --email grace@example.org
  spell cluster user set ann --max-runs 8
  spell cluster user invite ann
`

/** `spell cluster user …`: who may use the cluster. */
export function addUserCommands(world: World, cluster: Command): void {
  const user = defineBelow(world, cluster, 'user', 'Let people in, and see who is.').addHelpText(
    'after',
    examples,
  )
  addCommand(world, user)
  listCommand(world, user)
  setCommand(world, user)
  inviteCommand(world, user)
  removeCommand(world, user)
}

function addCommand(world: World, user: Command): void {
  const command = withRights(defineBelow(world, user, 'add', 'Add a user, and print what lets them in.'))
    .argument('<name>', 'letters, digits and . _ @ + -')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<UserOptions>()
    const api = await connect(world, options.context)
    const made = await api.call<Invitation__Output>('People', 'Add', {
      name,
      role: options.role ?? '',
      maxConcurrentRuns: options.maxRuns ?? 0,
      email: options.email ?? '',
    })
    const { role = '', email = '', maxConcurrentRuns = 0 } = made.user ?? {}
    const invitation = await completed(world, api, made)
    const added = `Successfully added user '${printable(name)}' (${printable(role)}).\n\n`
    const json = {
      name,
      role,
      email,
      max_concurrent_runs: maxConcurrentRuns || null,
      ...invitationAsJson(invitation),
    }
    world.stdout.write(
      options.json ? `${JSON.stringify(json)}\n` : `${added}${invitationText(name, invitation)}`,
    )
  })
}

function inviteCommand(world: World, user: Command): void {
  const command = defineBelow(
    world,
    user,
    'invite',
    'Print what lets a user in once more, on another machine.',
  )
    .argument('<name>', 'name of the user')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<UserOptions>()
    const api = await connect(world, options.context)
    const made = await api.call<Invitation__Output>('People', 'Invite', { name })
    const invitation = await completed(world, api, made)
    const json = () => `${JSON.stringify({ name, ...invitationAsJson(invitation) })}\n`
    world.stdout.write(options.json ? json() : invitationText(name, invitation))
  })
}

function listCommand(world: World, user: Command): void {
  const command = defineBelow(world, user, 'list', 'List users.').option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<UserOptions>()
    const api = await connect(world, options.context)
    const { people } = await api.call<ListUsersResponse__Output>('People', 'List', {})
    if (options.json) world.stdout.write(`${JSON.stringify(people.map(asJson))}\n`)
    else
      world.stdout.write(
        table(
          ['NAME', 'ROLE', 'MAX RUNS', 'ACTIVE', 'TOKENS', 'INVITED UNTIL', 'CREATED', 'EMAIL'],
          people.map(row),
        ),
      )
  })
}

function setCommand(world: World, user: Command): void {
  const command = withRights(defineBelow(world, user, 'set', 'Change what a user may do.'))
    .argument('<name>', 'name of the user')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<UserOptions>()
    const { role, maxRuns, email } = options
    if (role === undefined && maxRuns === undefined && email === undefined)
      throw new Failure('usage', 'There is nothing to change: give --role, --max-runs or --email.')
    const api = await connect(world, options.context)
    const changed = await api.call<Person__Output>('People', 'Set', {
      name,
      ...(role !== undefined && { role }),
      ...(maxRuns !== undefined && { maxConcurrentRuns: maxRuns }),
      ...(email !== undefined && { email }),
    })
    const done = `Successfully changed user '${printable(name)}'.`
    world.stdout.write(`${options.json ? JSON.stringify(asJson(changed)) : done}\n`)
  })
}

function removeCommand(world: World, user: Command): void {
  const command = defineBelow(world, user, 'remove', 'End all that lets a user in. Their runs stay.')
    .argument('<name>', 'name of the user')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<UserOptions>()
    const api = await connect(world, options.context)
    const { tokensEnded, activeRuns } = await api.call<RemoveUserResponse__Output>('People', 'Remove', {
      name,
    })
    const rest = activeRuns === 0 ? '' : ` Runs of theirs that go on: ${activeRuns}.`
    const done = `Successfully removed user '${printable(name)}'. Tokens ended: ${tokensEnded}.${rest}`
    const json = { name, tokens_ended: tokensEnded, active_runs: activeRuns }
    world.stdout.write(`${options.json ? JSON.stringify(json) : done}\n`)
  })
}

function withRights(command: Command): Command {
  return command
    .addOption(new Option('--role <role>', 'what they may do').choices(['admin', 'member', 'viewer']))
    .option('--max-runs <n>', 'runs at once; 0: no limit', wholeNumber(0, mostOnTheWire))
    .option('--email <address>', 'for people to read')
}

/** Where the admin reaches the cluster others most likely do, too: a load balancer is known to no coordinator. */
async function completed(
  world: World,
  api: Api,
  { code, expiresAtMs, ...made }: Invitation__Output,
): Promise<Invitation> {
  const addresses = [...new Set([...api.login.addresses, ...made.addresses])]
  const destination = { addresses, caSha256: made.caSha256 }
  return { ...destination, code, expiresAtMs, installLine: await installLine(world, api, destination) }
}

function row({
  user,
  activeRuns,
  tokenCount,
  invitedUntilMs,
  createdAtMs,
}: Person__Output): readonly string[] {
  const cells = [
    user?.name ?? '',
    user?.role ?? '',
    user?.maxConcurrentRuns ? String(user.maxConcurrentRuns) : '-',
    String(activeRuns),
    String(tokenCount),
    localTime(invitedUntilMs) || '-',
    localTime(createdAtMs) || '-',
    user?.email ?? '',
  ]
  return cells.map(printable)
}

function asJson({ user, activeRuns, tokenCount, invitedUntilMs, createdAtMs }: Person__Output): object {
  return {
    name: user?.name,
    email: user?.email,
    role: user?.role,
    max_concurrent_runs: user?.maxConcurrentRuns || null,
    created_at: timeAsJson(createdAtMs),
    active_runs: activeRuns,
    tokens: tokenCount,
    invited_until: timeAsJson(invitedUntilMs),
  }
}
