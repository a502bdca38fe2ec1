import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { RpcError } from '../../common/errors.js'
import type { PortableToken } from '../../common/portable-token.js'
import type { ClusterInfo__Output } from '../../proto/gen/spell/v1/ClusterInfo.js'
import type { LogInResponse__Output } from '../../proto/gen/spell/v1/LogInResponse.js'
import type { User__Output } from '../../proto/gen/spell/v1/User.js'
import { Api } from '../api.js'
import { addContext, type ClientConfig, currentContext, readConfig } from '../config.js'
import { define } from '../define.js'
import { Failure, Quit } from '../failure.js'
import { authorityByHash, firstReached, readAuthority } from '../login/authority.js'
import { addressesIn, contextAt } from '../login/find-login.js'
import { isLoginCode } from '../login/login-code.js'
import { tokenIn } from '../login/token-text.js'
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
The whole command, and a login code to type when it asks, come from the cluster's administrator. An access token does as well
as a code; one that "spell access-tokens create" made knows its cluster, and needs neither address nor hash.

Examples:
  spell login gpus.example.org:7000 --ca-hash sha256:9f2c...
  spell login 10.0.0.1:7000,10.0.0.2:7000 --ca-hash sha256:9f2c...
  spell login --token-stdin < token
`

export function build(world: World): Command {
  const command = define(world, 'login', 'Log in to a cluster.')
    .argument('[addresses]', 'host:port of coordinators, with commas (default: of the current context)')
    .option('--ca-hash <hash>', "SHA-256 of the cluster's certificate authority")
    .option('--ca <file>', "the cluster's certificate authority itself, in PEM")
    .option('--token-stdin', 'read the login code or the token from standard input')
    .option('--name <name>', "name of the context (default: the cluster's name)")
    .option('--json', 'as a JSON object')
    .addHelpText('after', examples)
  return command.action(async (addresses: string | undefined) => {
    await logIn(world, addresses, command.opts<LoginOptions>())
  })
}

async function logIn(world: World, written: string | undefined, options: LoginOptions): Promise<void> {
  const config = await readConfig(world.settings.directory)
  const given = await givenSecret(world, options)
  const addresses = addressesFor(world, config, { written, given, options })
  const ca = await trusted(world, config, { addresses, given, options })
  const secret = given?.secret ?? (await typedSecret(world))
  const login = { contextName: undefined, addresses, ca, config }
  const token = isLoginCode(secret) ? await spend(new Api(world, { ...login, token: '' }), secret) : secret
  const api = new Api(world, { ...login, token })
  const user = await api.call<User__Output>('Account', 'WhoAmI', {}).catch((error: unknown) => {
    throw shortCode(error, secret) ?? error
  })
  const cluster = await api.call<ClusterInfo__Output>('Cluster', 'Get', {})
  const known = contextAt(config, addresses)
  const name = options.name ?? known?.name ?? (cluster.name || (addresses[0] ?? ''))
  const all = [...new Set([...addresses, ...cluster.coordinators.map((each) => each.userAddress)])]
  const context = { name, addresses: all.filter((each) => each !== ''), ca, token, userName: user.name }
  const dir = known?.name === name ? known.dir : undefined
  await addContext(world.settings.directory, { ...context, ...(dir !== undefined && { dir }) }, 'always')
  const hello = `Hello, ${printable(user.name)}!`
  const json = () => JSON.stringify(userAsJson(user, name, context.addresses))
  world.stdout.write(`${options.json ? json() : hello}\n`)
}

/** Where what was taken for a token is a code that was not copied whole; undefined: something else is wrong. */
function shortCode(error: unknown, secret: string): Failure | undefined {
  const letters = secret.replaceAll('-', '')
  const mayBe = /^[0-9a-z]{1,30}$/i.test(letters) && letters !== secret
  if (!mayBe || !(error instanceof RpcError) || error.code !== 'UNAUTHENTICATED') return undefined
  return new Failure(
    'error',
    `The cluster knows no such token. If it is to be a login code: that has 20 letters and digits, and this has ${letters.length}.`,
    { cause: error },
  )
}

/** Gives the token that the code is good for, once. */
async function spend(api: Api, code: string): Promise<string> {
  try {
    const request = { code, label: hostname() }
    return (await api.call<LogInResponse__Output>('People', 'LogIn', request)).token
  } finally {
    api.close()
  }
}

interface Asked {
  readonly given: PortableToken | undefined
  readonly options: LoginOptions
}

function addressesFor(
  world: World,
  config: ClientConfig,
  { written, given, options }: Asked & { readonly written: string | undefined },
): readonly string[] {
  const named = written ?? world.settings.baseUrl
  if (named !== undefined) return addressesIn(named)
  if (given && given.addresses.length > 0 && options.context === undefined) return given.addresses
  const known = currentContext(config, options.context)?.addresses ?? []
  if (known.length > 0) return known
  throw new Failure('usage', 'Name a coordinator: spell login HOST:PORT --ca-hash HASH')
}

/** The authority to trust: from a file, by its hash, as the context has it, or because somebody says so. */
async function trusted(
  world: World,
  config: ClientConfig,
  { addresses, given, options }: Asked & { readonly addresses: readonly string[] },
): Promise<string> {
  const { caFile, caHash } = world.settings
  const file = options.ca ?? (options.caHash === undefined ? caFile : undefined)
  if (file !== undefined) return readAuthority(resolve(world.cwd, file))
  const hash = options.caHash ?? caHash ?? (given?.caSha256 || undefined)
  const known = contextAt(config, addresses)
  if (hash === undefined && known) return known.ca
  if (hash !== undefined) return await authorityByHash(addresses, hash)
  const { address, shown } = await firstReached(addresses)
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

/** What came on standard input or in the environment; undefined: somebody is to be asked. */
async function givenSecret(world: World, options: LoginOptions): Promise<PortableToken | undefined> {
  if (options.tokenStdin) return secretIn(present(await askLine(world, '')))
  return world.settings.token === undefined ? undefined : secretIn(world.settings.token)
}

async function typedSecret(world: World): Promise<string> {
  if (!world.stdin.isTTY) {
    throw new Failure('error', 'Nobody can be asked for a token here: use --token-stdin, or set SPELL_TOKEN.')
  }
  return secretIn(present(await askSecret(world, 'Login code or Token: '))).secret
}

/** A code may have blanks in it, a token none. */
function secretIn(text: string): PortableToken {
  return isLoginCode(text) ? { secret: text, addresses: [], caSha256: '' } : tokenIn(text)
}

function present(typed: string | undefined): string {
  const secret = typed?.trim() ?? ''
  if (secret === '') throw new Failure('error', 'The token is missing.')
  return secret
}
