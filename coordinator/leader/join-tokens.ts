import { createHash, randomBytes } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import type { JoinKind, JoinTokenRecord } from '../core/join-records.js'
import { encode } from '../core/record-codec.js'
import type { Term } from './term.js'
import type { Put } from './types.js'

/** Live ones at once. */
const maxTokens = 1_000
/** Of those that are over, removed at a time. */
const removedAtOnce = 50
/** Characters of a token's hash that name it. */
const idLength = 12

export interface JoinTokenRequest {
  readonly kind: JoinKind
  readonly uses: number
  readonly ttlMs: number
  readonly creator: string
  /** Empty: whatever the machine is. */
  readonly machineType: string
}

/** The token's text is in the answer and nowhere else. */
export async function createJoinToken(
  term: Term,
  request: JoinTokenRequest,
): Promise<JoinTokenRecord & { readonly token: string }> {
  const { memory, writes, parts } = term
  if (liveTokens(term).length >= maxTokens)
    throw new RpcError(
      'RESOURCE_EXHAUSTED',
      `There are ${maxTokens} join tokens; revoke some, or wait until they are over.`,
    )
  const { machineType } = request
  if (machineType !== '' && !memory.knownDemand({ kind: 'type', name: machineType }))
    throw new RpcError(
      'INVALID_ARGUMENT',
      `There is no machine type ${JSON.stringify(machineType)} to join as.`,
    )
  const { ttlMs, ...rest } = request
  const token = `join-${randomBytes(24).toString('base64url')}`
  const createdAtMs = parts.clock.now()
  const record = { ...rest, sha256: hashOf(token), spent: 0, createdAtMs, expiresAtMs: createdAtMs + ttlMs }
  memory.joinTokens.set(record.sha256, record)
  await writes.commit([tokenPut(term, record)])
  return { ...record, token }
}

/** The newest first. */
export function liveTokens(term: Term): readonly JoinTokenRecord[] {
  const now = term.parts.clock.now()
  return [...term.memory.joinTokens.values()]
    .filter(({ expiresAtMs }) => expiresAtMs > now)
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
}

/** What names the token in lists; no secret. */
export function tokenId({ sha256 }: JoinTokenRecord): string {
  return sha256.slice(0, idLength)
}

export async function revokeJoinToken(term: Term, id: string): Promise<void> {
  const { memory, writes } = term
  const found = liveTokens(term).find((record) => tokenId(record) === id)
  if (!found) throw new RpcError('NOT_FOUND', `There is no join token ${JSON.stringify(id)}.`)
  memory.joinTokens.delete(found.sha256)
  await writes.commit([], [writes.keys.joinToken(found.sha256)])
}

/** PERMISSION_DENIED: there is no such token any more, or it is for something else. */
export function findToken(term: Term, token: string, kind: JoinKind): JoinTokenRecord {
  const record = term.memory.joinTokens.get(hashOf(token))
  if (!record || record.expiresAtMs <= term.parts.clock.now())
    throw new RpcError(
      'PERMISSION_DENIED',
      'This join token is over, was revoked or is of another cluster. An admin makes a new one.',
    )
  if (record.kind !== kind)
    throw new RpcError('PERMISSION_DENIED', `This join token is for a ${record.kind}, not for a ${kind}.`)
  return record
}

/** PERMISSION_DENIED: as many have joined with it as may. Changes memory; the caller commits. */
export function spendToken(term: Term, record: JoinTokenRecord): Put {
  if (record.spent >= record.uses)
    throw new RpcError(
      'PERMISSION_DENIED',
      'This join token was spent by another machine. An admin makes a new one.',
    )
  const spent: JoinTokenRecord = { ...record, spent: record.spent + 1 }
  term.memory.joinTokens.set(record.sha256, spent)
  return tokenPut(term, spent)
}

/** Removes what is over; to be called now and then. */
export function removeOldTokens({ memory, writes, parts }: Term): void {
  const now = parts.clock.now()
  const over: string[] = []
  for (const { sha256, expiresAtMs } of memory.joinTokens.values()) {
    if (expiresAtMs <= now && over.length < removedAtOnce) over.push(sha256)
  }
  if (over.length === 0) return
  for (const sha256 of over) memory.joinTokens.delete(sha256)
  writes.post([], over.map(writes.keys.joinToken))
}

function tokenPut({ writes }: Term, record: JoinTokenRecord): Put {
  return { key: writes.keys.joinToken(record.sha256), value: encode(record) }
}

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')
