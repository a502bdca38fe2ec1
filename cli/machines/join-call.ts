import { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { makeKeyPair } from '../../common/certificates.js'
import { proveKey } from '../../common/key-proof.js'
import { Api } from '../api.js'
import { writeWhole } from '../cluster/write-whole.js'
import { readConfig } from '../config.js'
import { Failure } from '../failure.js'
import { type Authority, authoritiesAt, normalHash } from '../login/authority.js'
import { addressOf } from '../login/find-login.js'
import { askLine, askSecret } from '../output/ask.js'
import type { World } from '../world.js'
import type { ProgramFolder } from './folders.js'

/** For another coordinator to lead: whoever joins has time. */
const patienceMs = 30_000

export interface JoinFlags {
  readonly caHash?: string
  readonly tokenStdin?: true
}

/** Where the cluster is, and the authority that showed the right hash: from here on everything is believed. */
export interface TrustedCluster {
  readonly addresses: readonly string[]
  readonly ca: string
}

/** `HOST:PORT[,HOST:PORT…]`; the port is 7000 where it is left out. */
export function addressesFrom(written: string): readonly string[] {
  return written
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
    .map(addressOf)
}

/** Throws Failure where no coordinator can be reached, or none shows an authority of this hash. */
export async function trustCluster(
  addresses: readonly string[],
  caHash: string | undefined,
): Promise<TrustedCluster> {
  if (caHash === undefined)
    throw new Failure(
      'usage',
      'Which cluster this is has to be said with --ca-hash; the line with the token has it.',
    )
  const wanted = normalHash(caHash)
  let shown: readonly Authority[] | undefined
  let trouble: unknown
  for (const address of addresses) {
    try {
      shown = await authoritiesAt(address)
      const found = shown.find((authority) => authority.hash === wanted)
      if (found) return { addresses, ca: found.pem }
    } catch (error) {
      trouble ??= error
    }
  }
  if (!shown) throw trouble
  const other = shown.map((authority) => authority.hash).join(', ') || 'none at all'
  throw new Failure(
    'error',
    `This is not the cluster you mean: its authority has the hash ${other}, not ${wanted}.`,
  )
}

/** From SPELL_JOIN_TOKEN, standard input or a question: never from an argument, which everybody can see. */
export async function joinToken(world: World, flags: JoinFlags): Promise<string> {
  const given = world.settings.environment.SPELL_JOIN_TOKEN
  if (!flags.tokenStdin && given) return given.trim()
  if (!flags.tokenStdin && !world.stdin.isTTY)
    throw new Failure(
      'error',
      'Nobody can be asked for the join token here: use --token-stdin, or set SPELL_JOIN_TOKEN.',
    )
  const typed = flags.tokenStdin ? await askLine(world, '') : await askSecret(world, 'Join token: ')
  const token = typed?.trim() ?? ''
  if (token === '') throw new Failure('error', 'The join token is missing.')
  return token
}

/**
 * The three fields that show who joins. The key is made once and stays in the folder: with it the same join may be asked
 * for again, should its answer be lost.
 */
export async function claim(folder: ProgramFolder, token: string): Promise<object> {
  const { keyFile } = folder.trust
  if (!existsSync(keyFile)) writeWhole(keyFile, (await makeKeyPair()).keyPem)
  const keyPem = readFileSync(keyFile, 'utf8')
  const publicKey = createPublicKey(createPrivateKey(keyPem))
  return {
    token,
    publicKeyPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    signature: proveKey(keyPem, { kind: 'join', token }),
  }
}

export async function callJoin<Answer>(
  world: World,
  { addresses, ca }: TrustedCluster,
  name: 'Node' | 'Coordinator',
  request: object,
): Promise<Answer> {
  const config = await readConfig(world.settings.directory)
  const api = new Api(world, { contextName: undefined, addresses, ca, token: '', config })
  try {
    return await api.call<Answer>('Join', name, request, { patienceMs })
  } finally {
    api.close()
  }
}
