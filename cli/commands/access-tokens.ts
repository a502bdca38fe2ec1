import type { Command } from 'commander'
import { writeToken } from '../../common/portable-token.js'
import type { CreateAccessTokenResponse__Output } from '../../proto/gen/spell/v1/CreateAccessTokenResponse.js'
import type { ListAccessTokensResponse__Output } from '../../proto/gen/spell/v1/ListAccessTokensResponse.js'
import type { UserToken__Output } from '../../proto/gen/spell/v1/UserToken.js'
import { connect } from '../api.js'
import { define, defineBelow } from '../define.js'
import { localTime } from '../output/dates.js'
import { timeAsJson } from '../output/run-json.js'
import { printable } from '../output/style.js'
import { commaSeparated, table } from '../output/table.js'
import type { World } from '../world.js'

interface TokenOptions {
  readonly context?: string
  readonly json?: boolean
  readonly raw?: boolean
}

const examples = `
A token does whatever you may do, until it is removed. It says itself where its cluster is, so that SPELL_TOKEN is all that a
job elsewhere needs.

Examples:
  spell access-tokens create nightly-job
  SPELL_TOKEN=... spell run -f "python train.py"
  spell access-tokens rm nightly-job
`

export function build(world: World): Command {
  const tokens = define(
    world,
    'access-tokens',
    'Make tokens for programs that act for you, and end them.',
  ).addHelpText('after', examples)
  listCommand(world, tokens)
  createCommand(world, tokens)
  removeCommand(world, tokens)
  return tokens
}

function listCommand(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'list', 'List your tokens and login sessions.')
    .option('--raw', 'comma-separated: name, kind, time of creation')
    .option('--json', 'a JSON array')
  command.action(async () => {
    const options = command.optsWithGlobals<TokenOptions>()
    const api = await connect(world, options.context)
    const { tokens } = await api.call<ListAccessTokensResponse__Output>('Tokens', 'List', {})
    if (options.json) world.stdout.write(`${JSON.stringify(tokens.map(asJson))}\n`)
    else if (options.raw)
      world.stdout.write(
        tokens
          .map((token) => commaSeparated([token.name, kindOf(token), timeAsJson(token.createdAtMs) ?? '']))
          .join(''),
      )
    else
      world.stdout.write(
        table(
          ['NAME', 'KIND', 'CREATED', ''],
          tokens.map((token) => [
            printable(token.name),
            kindOf(token),
            localTime(token.createdAtMs),
            token.current ? 'in use here' : '',
          ]),
        ),
      )
  })
}

function createCommand(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'create', 'Make a token; it is shown this once.')
    .argument('<name>', 'what it is for')
    .option('--raw', 'the token alone')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<TokenOptions>()
    const api = await connect(world, options.context)
    const made = await api.call<CreateAccessTokenResponse__Output>('Tokens', 'Create', { name })
    const { secret, caSha256 } = made
    const addresses = [...new Set([...api.login.addresses, ...made.addresses])]
    const token = writeToken({ secret, addresses, caSha256 })
    const createdAtMs = made.token?.createdAtMs ?? 0
    if (options.json)
      world.stdout.write(`${JSON.stringify({ name, token, created_at: timeAsJson(createdAtMs) })}\n`)
    else if (options.raw) world.stdout.write(`${token}\n`)
    else
      world.stdout.write(
        `New Access Token '${printable(name)}' created at ${localTime(createdAtMs)}\n${token}\nNOTE: this token is not recoverable, so save it somewhere safe.\n`,
      )
  })
}

function removeCommand(world: World, parent: Command): void {
  const command = defineBelow(world, parent, 'rm', 'End a token or a login session.')
    .argument('<name>', 'as "list" names it')
    .option('--json', 'as a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<TokenOptions>()
    const api = await connect(world, options.context)
    await api.call('Tokens', 'Remove', { name })
    const done = `Successfully removed Access Token '${printable(name)}'.`
    world.stdout.write(`${options.json ? JSON.stringify({ name }) : done}\n`)
  })
}

/** Of tokens that an earlier version made it is not known. */
function kindOf({ kind }: UserToken__Output): string {
  return kind === 'USER_TOKEN_KIND_UNSPECIFIED' ? 'token' : kind.replace(/_TOKEN$/, '').toLowerCase()
}

function asJson(token: UserToken__Output): object {
  return {
    name: token.name,
    kind: kindOf(token),
    created_at: timeAsJson(token.createdAtMs),
    current: token.current,
  }
}
