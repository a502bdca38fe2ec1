import { RpcError } from '../../common/errors.js'
import type { LoginCode, User } from '../core/records.js'
import { tokenEnded } from '../leader/accounts.js'
import type { Term } from '../leader/term.js'
import { codePut, sweep } from './codes.js'
import type { GuessLimit } from './guess-limit.js'
import { loginCodeHash } from './login-code.js'
import { addToken, freeName, surplusLogins } from './tokens.js'

export interface NewLogin {
  readonly token: string
  readonly user: User
}

const longestLabel = 64

/** A token for a code. The code is spent in the same transaction that makes the token. */
export async function logIn(
  term: Term,
  guesses: GuessLimit,
  { code, label }: { readonly code: string; readonly label: string },
): Promise<NewLogin> {
  guesses.check()
  term.writes.checkRoom()
  const { memory, writes, parts } = term
  const record = openCode(term, guesses, code)
  const user = memory.users.get(record.user)
  if (!user) throw notValid()
  const surplus = surplusLogins(term, user.name)
  for (const sha256 of surplus) memory.tokens.delete(sha256)
  const wanted = [...label.replaceAll(/\p{Cc}/gu, ' ').trim()].slice(0, longestLabel).join('') || 'login'
  const token = addToken(term, user.name, { name: freeName(term, user.name, wanted), kind: 'login' })
  const spent = codePut(term, { ...record, usedAtMs: parts.clock.now() })
  const keys = surplus.map((sha256) => writes.keys.token(sha256))
  await writes.commit([token.put, spent], [...keys, ...sweep(term, user.name)])
  term.openCalls.endOf(surplus, tokenEnded())
  return { token: token.secret, user }
}

function openCode({ memory, parts }: Term, guesses: GuessLimit, typed: string): LoginCode {
  const sha256 = loginCodeHash(typed)
  const record = [...memory.loginCodes.values()].find((code) => code.sha256 === sha256)
  if (!record) {
    guesses.failed()
    throw notValid()
  }
  const again = `Ask an admin for another: spell cluster user invite ${record.user}`
  if (record.usedAtMs !== undefined)
    throw new RpcError('FAILED_PRECONDITION', `This login code was used before, and is good once. ${again}`)
  if (record.expiresAtMs <= parts.clock.now())
    throw new RpcError('FAILED_PRECONDITION', `This login code has expired. ${again}`)
  return record
}

function notValid(): RpcError {
  return new RpcError(
    'PERMISSION_DENIED',
    'This login code is not known: it was mistyped, or a newer one has taken its place.',
  )
}
