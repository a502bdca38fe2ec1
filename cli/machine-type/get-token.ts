import type { Command } from 'commander'
import type { ListJoinTokensResponse__Output } from '../../proto/gen/spell/v1/ListJoinTokensResponse.js'
import type { ListMadeTypesResponse__Output } from '../../proto/gen/spell/v1/ListMadeTypesResponse.js'
import type { MadeMachineType__Output } from '../../proto/gen/spell/v1/MadeMachineType.js'
import { type Api, connect } from '../api.js'
import { defineBelow, mostOnTheWire, wholeNumber } from '../define.js'
import { Failure } from '../failure.js'
import type { TokenFlags } from '../machines/tokens.js'
import { printable } from '../output/style.js'
import { note, type World } from '../world.js'

interface GetTokenOptions extends TokenFlags {
  readonly renew?: true
}

export function addGetToken(world: World, types: Command): void {
  const summary = 'Print what makes another machine a node of a made type (for admins).'
  const command = defineBelow(world, types, 'get-token', summary)
    .argument('<name>', 'name of the type')
    .option('--renew', 'end the tokens for this type that were printed before')
    .option('--uses <n>', 'how many machines may join with it (1)', wholeNumber(1, mostOnTheWire))
    .option('--ttl <time>', 'how long it is good, such as 90m or 24h (1h)')
    .option('--installed', 'print what is typed where spell is installed already')
    .option('--json', 'a JSON object')
  command.action(async (name: string) => {
    const options = command.optsWithGlobals<GetTokenOptions>()
    const api = await connect(world, options.context)
    const type = await madeType(api, name)
    const old = options.renew ? await tokensFor(api, type.name) : []
    if (type.labels.length === 0)
      note(
        world,
        printable(`The type ${type.name} asks for no label: any machine that is large enough serves it.`),
      )
    const { printToken } = await import('../machines/tokens.js')
    await printToken(world, 'JOIN_NODE', { ...options, type: type.name })
    // Last, so that a token that could not be made ends none.
    await revokeTokens(world, api, old)
  })
}

/** Names are compared as the cluster does. */
const comparable = (name: string): string => name.toLowerCase().replace(/[\s\-_]+/g, '')

async function madeType(api: Api, name: string): Promise<MadeMachineType__Output> {
  const { types } = await api.call<ListMadeTypesResponse__Output>('MachineTypes', 'List', {})
  const found = types.find((type) => comparable(type.name) === comparable(name))
  if (found) return found
  const known = types.map((type) => type.name).join(', ')
  throw new Failure(
    'error',
    `There is no made machine type "${name}" to join machines to; ${known === '' ? 'there is none yet' : `there is ${known}`}.`,
  )
}

async function tokensFor(api: Api, name: string): Promise<readonly string[]> {
  const { tokens } = await api.call<ListJoinTokensResponse__Output>('JoinTokens', 'List', {})
  return tokens.filter((token) => comparable(token.machineType) === comparable(name)).map(({ id }) => id)
}

async function revokeTokens(world: World, api: Api, old: readonly string[]): Promise<void> {
  for (const id of old) await api.call('JoinTokens', 'Revoke', { id })
  if (old.length > 0) note(world, `${old.length === 1 ? 'One token' : `${old.length} tokens`} ended.`)
}
