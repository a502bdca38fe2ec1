import { createHash, randomBytes } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { TokenKind, TokenRecord, User } from '../core/records.js'
import { removeToken } from '../leader/accounts.js'
import type { Term } from '../leader/term.js'
import type { Put } from '../leader/types.js'

/** Of one kind and user. All of a user's tokens are ended in one transaction. */
export const mostTokens = 40

export interface TokenView {
  readonly name: string
  /** undefined: made by an earlier version. */
  readonly kind: TokenKind | undefined
  readonly createdAtMs: number
  readonly sha256: string
}

export const sha256Of = (secret: string): string => createHash('sha256').update(secret).digest('hex')

/** 256 random bits, in characters that need no quoting anywhere. */
export const newSecret = (): string => randomBytes(32).toString('base64url')

export function tokensOf(term: Term, userName: string): readonly TokenView[] {
  return [...term.memory.tokens.values()]
    .filter(({ user }) => user === userName)
    .map((record) => viewOf(term, record))
    .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : 1))
}

function viewOf({ settings }: Term, record: TokenRecord): TokenView {
  const { sha256, createdAtMs, name = `token ${sha256.slice(0, 8)}` } = record
  return { name, sha256, createdAtMs, kind: sha256 === settings.ownTokenSha256 ? 'bootstrap' : record.kind }
}

/** Changes memory; gives the secret, and what is to be committed before anybody hears of it. */
export function addToken(
  term: Term,
  user: string,
  made: { readonly name: string; readonly kind: TokenKind },
): { readonly secret: string; readonly record: TokenRecord; readonly put: Put } {
  const secret = newSecret()
  const sha256 = sha256Of(secret)
  const record: TokenRecord = { sha256, user, createdAtMs: term.parts.clock.now(), ...made }
  term.memory.tokens.set(sha256, record)
  return { secret, record, put: { key: term.writes.keys.token(sha256), value: encode(record) } }
}

export async function createAccessToken(
  term: Term,
  user: User,
  name: string,
): Promise<{ readonly secret: string; readonly token: TokenView }> {
  term.writes.checkRoom()
  const own = tokensOf(term, user.name)
  if (own.some((token) => token.name === name))
    throw new RpcError('ALREADY_EXISTS', `You have a token ${JSON.stringify(name)} already.`)
  if (own.filter(({ kind }) => kind === 'access').length >= mostTokens)
    throw new RpcError('RESOURCE_EXHAUSTED', `You have ${mostTokens} access tokens, which is the most.`)
  const { secret, record, put } = addToken(term, user.name, { name, kind: 'access' })
  await term.writes.commit([put])
  return { secret, token: viewOf(term, record) }
}

/** Ends calls made with it, too. */
export async function removeNamedToken(term: Term, user: User, name: string): Promise<void> {
  const found = tokensOf(term, user.name).find((token) => token.name === name)
  if (!found) throw new RpcError('NOT_FOUND', `You have no token ${JSON.stringify(name)}.`)
  await removeToken(term, found.sha256)
}

/** A name that none of the user's tokens has. */
export function freeName(term: Term, user: string, wanted: string): string {
  const taken = new Set(tokensOf(term, user).map(({ name }) => name))
  let name = wanted
  for (let number = 2; taken.has(name); number += 1) name = `${wanted} (${number})`
  return name
}

/** Of a user who logs in again: the oldest logins beyond what one may have. Their sessions end. */
export function surplusLogins(term: Term, user: string): readonly string[] {
  const logins = tokensOf(term, user).filter(({ kind }) => kind === 'login' || kind === undefined)
  return logins.slice(0, Math.max(0, logins.length - mostTokens + 1)).map(({ sha256 }) => sha256)
}
