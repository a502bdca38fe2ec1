import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { messageOf } from '../../common/errors.js'
import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import type { User__Output } from '../../proto/gen/spell/v1/User.js'
import { Api } from '../api.js'
import { addContext, type ClientConfig, currentContext, readConfig } from '../config.js'
import { define } from '../define.js'
import { Failure, Quit } from '../failure.js'
import { authoritiesAt, normalHash } from '../login/authority.js'
import { addressOf } from '../login/find-login.js'
import { askLine, askSecret, confirm } from '../output/ask.js'
import { printable } from '../output/style.js'
import { userAsJson } from '../output/user-json.js'
import type { World } from '../world.js'

interface LoginOptions {
  readonly context?: string
  readonly caHash?: string
  readonly ca?: string
  readonly tokenStdin?: boolean
  readonly name?: string
  readonly json?: boolean
}

const examples = `
The hash of the cluster's authority and a token come from its administrator.

Examples:
  spell login gpus.example.org:7000 --ca-hash sha256:9f2c...
  spell login gpus.example.org:7000 --ca-hash sha256:9f2c... --token-stdin < token
`

export function build(world: World): Command {
  const command = define(world, 'login', 'Log in to a cluster.')
    .argument('[address]', 'host:port of a coordinator (default: of the current context)')
    .option('--ca-hash <hash>', "SHA-256 of the cluster's certificate authority")
    .option('--ca <file>', "the cluster's certificate authority itself, in PEM")
    .option('--token-stdin', 'read the token from standard input')
    .option('--name <name>', "name of the context (default: the cluster's name)")
    .option('--json', 'as a JSON object')
    .addHelpText('after', examples)
  return command.action(async (address: string | undefined) => {
    await logIn(world, address, command.opts<LoginOptions>())
  })
}

async function logIn(world: World, written: string | undefined, options: LoginOptions): Promise<void> {
  const config = await readConfig(world.settings.directory)
  const addresses = addressesFor(world, config, written, options)
  const address = addresses[0] ?? ''
  const ca = await trusted(world, config, address, options)
  const token = await tokenFrom(world, options)
  const api = new Api(world, { contextName: undefined, addresses: [address], ca, token, config })
  const user = await api.call<User__Output>('Account', 'WhoAmI', {})
  const cluster = await api.call<ClusterInfo__Output>('Cluster', 'Get', {})
  const known = config.contexts.find((context) => context.addresses.includes(address))
  const name = options.name ?? known?.name ?? (cluster.name || address)
  const all = [...new Set([...addresses, ...cluster.coordinators.map((each) => each.userAddress)])]
  const context = { name, addresses: all.filter((each) => each !== ''), ca, token, userName: user.name }
  const dir = known?.name === name ? known.dir : undefined
  await addContext(world.settings.directory, { ...context, ...(dir !== undefined && { dir }) }, 'always')
  const hello = `Hello, ${printable(user.name)}!`
  const json = () => JSON.stringify(userAsJson(user, name, context.addresses))
  world.stdout.write(`${options.json ? json() : hello}\n`)
}

function addressesFor(
  world: World,
  config: ClientConfig,
  written: string | undefined,
  options: LoginOptions,
): readonly string[] {
  const given = written ?? world.settings.baseUrl
  if (given !== undefined) return [addressOf(given)]
  const known = currentContext(config, options.context)?.addresses ?? []
  if (known.length > 0) return known
  throw new Failure('usage', 'Name a coordinator: spell login HOST:PORT --ca-hash HASH')
}

/** The authority to trust: from a file, by its hash, as the context has it, or because somebody says so. */
async function trusted(
  world: World,
  config: ClientConfig,
  address: string,
  options: LoginOptions,
): Promise<string> {
  if (options.ca !== undefined) return readAuthority(resolve(world.cwd, options.ca))
  const known = config.contexts.find((context) => context.addresses.includes(address))
  if (options.caHash === undefined && known) return known.ca
  const shown = await authoritiesAt(address)
  if (options.caHash !== undefined) {
    const wanted = normalHash(options.caHash)
    const found = shown.find((authority) => authority.hash === wanted)
    if (found) return found.pem
    const other = shown.map((authority) => authority.hash).join(', ') || 'none at all'
    throw new Failure(
      'error',
      `This is not the cluster you mean: the authority of ${address} has the hash ${other}, not ${wanted}.`,
    )
  }
  const [authority] = shown
  if (!authority) {
    throw new Failure('error', `${address} does not show its certificate authority; give it with --ca FILE.`)
  }
  const question = `The certificate authority of ${address} has the hash ${authority.hash}. Do you trust it?`
  const yes = await confirm(
    world,
    question,
    `The certificate authority of ${address} has the hash ${authority.hash}. If it is right, say so with --ca-hash.`,
  )
  if (!yes) throw new Quit(1)
  return authority.pem
}

function readAuthority(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure('error', `Could not read the certificate authority: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

async function tokenFrom(world: World, options: LoginOptions): Promise<string> {
  if (!options.tokenStdin && world.settings.token !== undefined) return world.settings.token
  if (!options.tokenStdin && !world.stdin.isTTY) {
    throw new Failure('error', 'Nobody can be asked for a token here: use --token-stdin, or set SPELL_TOKEN.')
  }
  const typed = options.tokenStdin ? await askLine(world, '') : await askSecret(world, 'Token: ')
  const token = typed?.trim() ?? ''
  if (token === '') throw new Failure('error', 'The token is missing.')
  return token
}
