import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { LoginCode, User } from '../core/records.js'
import type { Term } from '../leader/term.js'
import type { Put } from '../leader/types.js'
import { loginCodeHash, newLoginCode } from './login-code.js'

/** How long a login code is good, in milliseconds. */
const codeLifeMs = 48 * 3_600_000
/** Of expired codes, taken out with one transaction. */
const mostSwept = 50

export interface Invitation {
  readonly user: User
  /** As a person types it. It is kept nowhere. */
  readonly code: string
  readonly expiresAtMs: number
}

/** A new code for a user; there is one at a time, so that there are never more of them than users. */
export async function invite(term: Term, name: string): Promise<Invitation> {
  term.writes.checkRoom()
  const user = term.memory.users.get(name)
  if (!user) throw new RpcError('NOT_FOUND', `There is no user ${JSON.stringify(name)}.`)
  const { invitation, put } = newInvitation(term, user)
  await term.writes.commit([put], sweep(term, name))
  return invitation
}

/** Changes memory; gives what is to be committed before anybody hears of the code. */
export function newInvitation(
  term: Term,
  user: User,
): { readonly invitation: Invitation; readonly put: Put } {
  const createdAtMs = term.parts.clock.now()
  const expiresAtMs = createdAtMs + codeLifeMs
  const code = newLoginCode()
  const record = { user: user.name, sha256: loginCodeHash(code), createdAtMs, expiresAtMs }
  return { invitation: { user, code, expiresAtMs }, put: codePut(term, record) }
}

export function codePut(term: Term, record: LoginCode): Put {
  term.memory.loginCodes.set(record.user, record)
  return { key: term.writes.keys.loginCode(record.user), value: encode(record) }
}

/** When the user's open code expires; 0: there is none. */
export function invitedUntilMs({ memory, parts }: Term, name: string): number {
  const code = memory.loginCodes.get(name)
  if (!code || code.usedAtMs !== undefined || code.expiresAtMs <= parts.clock.now()) return 0
  return code.expiresAtMs
}

/** Takes expired codes out of memory, but for this user's; gives their keys, to be deleted. */
export function sweep({ memory, parts, writes }: Term, except: string): readonly string[] {
  const nowMs = parts.clock.now()
  const expired = [...memory.loginCodes.values()]
    .filter(({ user, expiresAtMs }) => expiresAtMs <= nowMs && user !== except)
    .slice(0, mostSwept)
  for (const { user } of expired) memory.loginCodes.delete(user)
  return expired.map(({ user }) => writes.keys.loginCode(user))
}
