import { RpcError } from '../../common/errors.js'
import { encode } from '../core/record-codec.js'
import type { Role, User } from '../core/records.js'
import { tokenEnded } from '../leader/accounts.js'
import type { Term } from '../leader/term.js'
import type { Put } from '../leader/types.js'
import { type Invitation, invitedUntilMs, newInvitation, sweep } from './codes.js'
import { tokensOf } from './tokens.js'

const mostUsers = 10_000

export interface PersonView {
  readonly user: User
  readonly tokenCount: number
  readonly activeRuns: number
  /** 0: no login code is open. */
  readonly invitedUntilMs: number
}

/** What is undefined stays. */
export interface UserChange {
  readonly role: Role | undefined
  readonly maxConcurrentRuns: number | undefined
  readonly email: string | undefined
}

export async function addUser(term: Term, wanted: User): Promise<Invitation> {
  const { memory, writes, parts } = term
  writes.checkRoom()
  const name = wanted.name.toLowerCase()
  const taken = [...memory.users.keys()].find((known) => known.toLowerCase() === name)
  if (taken !== undefined) throw new RpcError('ALREADY_EXISTS', `There is a user ${taken} already.`)
  if (memory.users.size >= mostUsers)
    throw new RpcError('RESOURCE_EXHAUSTED', `The cluster has ${mostUsers} users, which is the most.`)
  const user = { ...wanted, createdAtMs: parts.clock.now() }
  const put = userPut(term, user)
  const invited = newInvitation(term, user)
  await writes.commit([put, invited.put], sweep(term, user.name))
  return invited.invitation
}

export function personViews(term: Term): readonly PersonView[] {
  const users = [...term.memory.users.values()]
  const counts = tokenCounts(term)
  return users.sort((a, b) => (a.name < b.name ? -1 : 1)).map((user) => viewOf(term, user, counts))
}

export async function changeUser(term: Term, name: string, change: UserChange): Promise<PersonView> {
  const { memory, writes, openCalls } = term
  writes.checkRoom()
  const before = userNamed(term, name)
  const user: User = {
    ...before,
    role: change.role ?? before.role,
    maxConcurrentRuns: change.maxConcurrentRuns ?? before.maxConcurrentRuns,
    email: change.email ?? before.email,
  }
  if (before.role === 'admin' && user.role !== 'admin') checkOtherAdmin(term, name)
  const put = userPut(term, user)
  memory.runs.fillSlots(name)
  const committed = writes.commit([put])
  term.wake()
  await committed
  if (user.role !== before.role) {
    const tokens = tokensOf(term, name).map(({ sha256 }) => sha256)
    // Asked again, the call is judged by the new role; clients do that by themselves.
    openCalls.endOf(tokens, new RpcError('UNAVAILABLE', `${name} is a ${user.role} now; ask again.`))
  }
  return viewOf(term, user)
}

export async function removeUser(
  term: Term,
  name: string,
): Promise<{ readonly tokensEnded: number; readonly activeRuns: number }> {
  const { memory, writes, settings, openCalls } = term
  writes.checkRoom()
  const user = userNamed(term, name)
  if (memory.tokens.get(settings.ownTokenSha256 ?? '')?.user === name)
    throw new RpcError(
      'FAILED_PRECONDITION',
      `${name} is named in the coordinators' settings (bootstrapUser), which would bring the user back.`,
    )
  if (user.role === 'admin') checkOtherAdmin(term, name)
  const tokens = tokensOf(term, name).map(({ sha256 }) => sha256)
  const { activeRuns } = viewOf(term, user)
  memory.users.delete(name)
  memory.loginCodes.delete(name)
  for (const sha256 of tokens) memory.tokens.delete(sha256)
  const { keys } = writes
  const ended = tokens.map((sha256) => keys.token(sha256))
  // By itself: together with runs it might be more than a transaction takes.
  writes.post([], [keys.user(name), keys.loginCode(name), ...ended])
  // Nobody limits them any more.
  memory.runs.fillSlots(name)
  const committed = writes.commit()
  term.wake()
  await committed
  openCalls.endOf(tokens, tokenEnded())
  return { tokensEnded: tokens.length, activeRuns }
}

/** Makes the user an admin, or a new one, whoever asks: that was proven otherwise. */
export async function makeAdmin(term: Term, name: string): Promise<Invitation> {
  const { memory, writes, parts } = term
  const known = memory.users.get(name)
  const made: User = { name, email: '', role: 'admin', maxConcurrentRuns: 0, createdAtMs: parts.clock.now() }
  const user: User = known ? { ...known, role: 'admin' } : made
  const put = userPut(term, user)
  const invited = newInvitation(term, user)
  await writes.commit([put, invited.put], sweep(term, name))
  return invited.invitation
}

function userPut(term: Term, user: User): Put {
  term.memory.users.set(user.name, user)
  return { key: term.writes.keys.user(user.name), value: encode(user) }
}

function userNamed({ memory }: Term, name: string): User {
  const user = memory.users.get(name)
  if (!user) throw new RpcError('NOT_FOUND', `There is no user ${JSON.stringify(name)}.`)
  return user
}

function viewOf(term: Term, user: User, counts = tokenCounts(term)): PersonView {
  const { concurrency } = term.memory.runs
  return {
    user,
    tokenCount: counts.get(user.name) ?? 0,
    activeRuns: concurrency.count(user.name) + concurrency.waiting(user.name),
    invitedUntilMs: invitedUntilMs(term, user.name),
  }
}

/** Of each user who has any. */
function tokenCounts({ memory }: Term): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { user } of memory.tokens.values()) counts.set(user, (counts.get(user) ?? 0) + 1)
  return counts
}

/** An admin who has neither a token nor an open code cannot get in, and counts for nothing. */
function checkOtherAdmin(term: Term, name: string): void {
  const others = [...term.memory.users.values()].filter((user) => user.role === 'admin' && user.name !== name)
  const counts = tokenCounts(term)
  if (others.some((user) => counts.has(user.name) || invitedUntilMs(term, user.name) > 0)) return
  throw new RpcError(
    'FAILED_PRECONDITION',
    `${name} is the last admin who can log in: make somebody else an admin first (spell cluster user set NAME --role admin).`,
  )
}
