import { RpcError } from '../../common/errors.js'
import type { AddUserRequest__Output } from '../../proto/gen/spell/v1/AddUserRequest.js'
import type { ChangeUserRequest__Output } from '../../proto/gen/spell/v1/ChangeUserRequest.js'
import type { InviteRequest__Output } from '../../proto/gen/spell/v1/InviteRequest.js'
import type { LogInRequest__Output } from '../../proto/gen/spell/v1/LogInRequest.js'
import type { RemoveUserRequest__Output } from '../../proto/gen/spell/v1/RemoveUserRequest.js'
import type { ResetAdminRequest__Output } from '../../proto/gen/spell/v1/ResetAdminRequest.js'
import type { Role } from '../core/records.js'
import type { Invitation } from '../people/codes.js'
import type { PersonView } from '../people/users.js'
import { type Handlers, unary } from './call.js'
import { hasControlCharacters } from './text.js'
import type { UserCall } from './user-call.js'

/** How whoever is let in finds the cluster. */
export interface WayIn {
  /** `host:port` */
  readonly addresses: readonly string[]
  readonly caSha256: string
}

export function peopleHandlers(wayIn: () => WayIn): Handlers<UserCall> {
  const invitationToWire = (invitation: Invitation): object => ({ ...invitation, ...wayIn() })
  return {
    'People/Add': unary<AddUserRequest__Output, UserCall>(async (request, { leader }) => {
      const { name, email, maxConcurrentRuns } = request
      refuse('name', nameRefusal(name))
      refuse('email', emailRefusal(email))
      const user = { name, email, maxConcurrentRuns, role: roleOf(request.role || 'member') }
      return invitationToWire(await leader.people.add(user))
    }),
    'People/List': unary<unknown, UserCall>(async (_, { leader }) => ({
      people: (await leader.people.list()).map(personToWire),
    })),
    'People/Set': unary<ChangeUserRequest__Output, UserCall>(async (request, { leader }) => {
      const { name, role, maxConcurrentRuns, email } = request
      if (email !== undefined) refuse('email', emailRefusal(email))
      const change = { role: role === undefined ? undefined : roleOf(role), maxConcurrentRuns, email }
      return personToWire(await leader.people.change(name, change))
    }),
    'People/Invite': unary<InviteRequest__Output, UserCall>(async ({ name }, { leader }) =>
      invitationToWire(await leader.people.invite(name)),
    ),
    'People/Remove': unary<RemoveUserRequest__Output, UserCall>(({ name }, { leader }) =>
      leader.people.remove(name),
    ),
    'People/LogIn': unary<LogInRequest__Output, UserCall>(async ({ code, label }, call) => {
      const login = await call.leader.people.logIn(code, label)
      call.provedToBe(login.user)
      return login
    }),
    'People/ResetAdmin': unary<ResetAdminRequest__Output, UserCall>(async ({ proof }, call) => {
      const { people } = call.leader
      const name = people.provenReset(proof)
      refuse('name', nameRefusal(name))
      const invitation = await people.makeAdmin(name)
      call.provedToBe(invitation.user)
      const { addresses, caSha256 } = wayIn()
      const { code, expiresAtMs } = invitation
      return { sealed: people.sealReset({ name, code, expiresAtMs, addresses, caSha256 }) }
    }),
  }
}

const roles: readonly Role[] = ['admin', 'member', 'viewer']

function roleOf(text: string): Role {
  const role = roles.find((each) => each === text)
  if (role) return role
  throw new RpcError(
    'INVALID_ARGUMENT',
    `A role is one of ${roles.join(', ')}; not ${JSON.stringify(text.slice(0, 80))}.`,
    {
      field: 'role',
    },
  )
}

/** A user's name is part of keys, and of lines that people read. */
function nameRefusal(name: string): string | undefined {
  return /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/.test(name)
    ? undefined
    : `A user's name has 1 to 64 letters, digits and . _ @ + -, a letter or digit first; not ${JSON.stringify(name.slice(0, 80))}.`
}

function emailRefusal(email: string): string | undefined {
  if (email === '') return undefined
  const usable = /^[^\s@]+@[^\s@]+$/.test(email) && email.length <= 254 && !hasControlCharacters(email)
  return usable ? undefined : `${JSON.stringify(email.slice(0, 80))} is no e-mail address.`
}

function refuse(field: string, reason: string | undefined): void {
  if (reason !== undefined) throw new RpcError('INVALID_ARGUMENT', reason, { field })
}

function personToWire({ user, ...rest }: PersonView): object {
  return { user, createdAtMs: user.createdAtMs ?? 0, ...rest }
}
