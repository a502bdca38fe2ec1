import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { TokenRecord, User } from '../core/records.js'
import type { Term } from './term.js'

export function putUser(term: Term, user: User, tokenSha256: string | undefined): Promise<void> {
  const { memory, writes, parts } = term
  memory.users.set(user.name, user)
  const puts = [{ key: writes.keys.user(user.name), value: encode(user) }]
  if (tokenSha256 !== undefined && !memory.tokens.has(tokenSha256)) {
    const token: TokenRecord = {
      ...{ sha256: tokenSha256, user: user.name, createdAtMs: parts.clock.now() },
      ...(tokenSha256 === term.settings.ownTokenSha256 && { name: 'bootstrap', kind: 'bootstrap' }),
    }
    memory.tokens.set(tokenSha256, token)
    puts.push({ key: writes.keys.token(tokenSha256), value: encode(token) })
  }
  memory.runs.fillSlots(user.name)
  const committed = writes.commit(puts)
  term.wake()
  return committed
}

export async function setUserLimit(term: Term, name: string, maxConcurrentRuns: number): Promise<User> {
  const user = term.memory.users.get(name)
  if (!user) throw new RpcError('NOT_FOUND', `There is no user ${JSON.stringify(name)}.`)
  const changed: User = { ...user, maxConcurrentRuns }
  await putUser(term, changed, undefined)
  return changed
}

/**
 * Calls that were made with it end. FAILED_PRECONDITION: the token that `spell cluster` itself uses; without it nobody could
 * let anybody in again.
 */
export async function removeToken(term: Term, tokenSha256: string): Promise<void> {
  if (tokenSha256 === term.settings.ownTokenSha256)
    throw new RpcError(
      'FAILED_PRECONDITION',
      "The token stays valid: it is the cluster's own, named in its coordinators' settings.",
    )
  if (!term.memory.tokens.delete(tokenSha256)) return
  await term.writes.commit([], [term.writes.keys.token(tokenSha256)])
  term.openCalls.endOf([tokenSha256], tokenEnded())
}

/** What a call under way is told whose token has been ended. */
export function tokenEnded(): RpcError {
  return new RpcError('UNAUTHENTICATED', 'The token of this call was ended. Please log in ("spell login").')
}

/** Settings that a cluster has, with what each is for. */
export const settingNames: Readonly<Record<string, string>> = {
  'default-image': 'image of runs that name none',
  private: "whether others' logs and outputs are for admins only",
  'cpu-share': 'of a node with GPUs the part that is set aside for runs without GPUs',
}

/** An empty value unsets it. */
export async function setSetting(term: Term, name: string, value: string): Promise<void> {
  if (!(name in settingNames)) {
    const known = Object.keys(settingNames).join(', ')
    throw new RpcError('INVALID_ARGUMENT', `There is no setting ${JSON.stringify(name)}; there is ${known}.`)
  }
  const { memory, writes } = term
  memory.setSetting(name, value)
  const key = writes.keys.setting(name)
  const committed =
    value === '' ? writes.commit([], [key]) : writes.commit([{ key, value: encode({ name, value }) }])
  term.wake()
  await committed
  // Asked again, calls are judged by the new setting; clients do that by themselves.
  if (name === 'private')
    term.openCalls.endAll(
      new RpcError('UNAVAILABLE', `The cluster's setting ${name} was changed; ask again.`),
    )
}
