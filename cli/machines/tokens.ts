import type { CreateJoinTokenResponse__Output } from '../../proto/gen/spell/v1/CreateJoinTokenResponse.js'
import { type Api, connect } from '../api.js'
import { addContext } from '../config.js'
import { Failure } from '../failure.js'
import type { Login } from '../login/find-login.js'
import { localTime } from '../output/dates.js'
import { parseDuration } from '../output/duration.js'
import { note, type World } from '../world.js'
import { findInstaller, type Installer } from './installer.js'
import { joinLine } from './pasted-line.js'

export interface TokenFlags {
  readonly uses?: number
  readonly ttl?: string
  readonly type?: string
  /** Words of the joining command that the admin knows already. */
  readonly runtime?: string
  readonly allowProcessNodes?: true
  /** The machine has spell. */
  readonly installed?: true
  readonly context?: string
  readonly json?: true
}

const commands = { JOIN_NODE: ['node', 'join'], JOIN_COORDINATOR: ['coordinator', 'join'] } as const

/** Makes a join token and prints what is typed on the machine that is to join. */
export async function printToken(
  world: World,
  kind: keyof typeof commands,
  flags: TokenFlags,
): Promise<void> {
  const ttlMs = flags.ttl === undefined ? 0 : parseDuration(flags.ttl, 's')
  if (ttlMs === undefined || (flags.ttl !== undefined && ttlMs < 1_000))
    throw new Failure('usage', `--ttl must be a time such as 90m or 24h, not "${flags.ttl}".`)
  const api = await connect(world, flags.context)
  const made = await api.call<CreateJoinTokenResponse__Output>('JoinTokens', 'Create', {
    kind,
    uses: flags.uses ?? 1,
    ttlSeconds: Math.ceil(ttlMs / 1_000),
    machineType: flags.type ?? '',
  })
  await learnAddresses(world, api.login, made.addresses)
  const words = [
    ...commands[kind],
    made.addresses.join(','),
    '--ca-hash',
    made.caSha256,
    ...furtherWords(flags),
  ]
  const installer = flags.installed ? undefined : await installerOf(world, api)
  const line = installer && joinLine(installer, words, made.token)
  const command = `spell ${words.join(' ')}`
  if (flags.json) {
    const { id, token, caSha256, addresses, expiresAtMs } = made
    const common = {
      id,
      token,
      ca_sha256: caSha256,
      addresses,
      expires_at: new Date(expiresAtMs).toISOString(),
    }
    world.stdout.write(`${JSON.stringify({ ...common, command, line: line ?? null })}\n`)
    return
  }
  const machines = (flags.uses ?? 1) === 1 ? 'one machine' : `${flags.uses} machines`
  const what = line === undefined ? 'where spell is installed' : 'which needs curl or wget'
  const until = localTime(made.expiresAtMs)
  note(world, `Good for ${machines} until ${until}. Paste this into a shell (as root) there, ${what}:`)
  // Where spell is there the token goes in by a here-document: no argument of any process has it.
  world.stdout.write(`${line ?? `${command} --token-stdin <<'TOKEN'\n${made.token}\nTOKEN`}\n`)
}

/** Undefined, and said why: a machine has to have spell before it can join. */
async function installerOf(world: World, api: Api): Promise<Installer | undefined> {
  try {
    return await findInstaller(api, 'node.sh')
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    note(world, `A line that installs spell, too, cannot be made. ${error.message}`)
    return undefined
  }
}

function furtherWords({ runtime, allowProcessNodes }: TokenFlags): readonly string[] {
  return [
    ...(runtime === undefined ? [] : ['--runtime', runtime]),
    ...(allowProcessNodes ? ['--allow-process-nodes'] : []),
  ]
}

/** Coordinators that joined after this login was made: it leads to them, too, from now on. */
async function learnAddresses(world: World, login: Login, addresses: readonly string[]): Promise<void> {
  const context = login.config.contexts.find((one) => one.name === login.contextName)
  const added = addresses.filter((address) => !context?.addresses.includes(address))
  if (!context || added.length === 0) return
  await addContext(world.settings.directory, { ...context, addresses: [...context.addresses, ...added] })
}
