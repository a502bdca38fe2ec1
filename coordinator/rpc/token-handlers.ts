import { RpcError } from '../../common/errors.js'
import type { CreateAccessTokenRequest__Output } from '../../proto/gen/spell/v1/CreateAccessTokenRequest.js'
import type { RemoveAccessTokenRequest__Output } from '../../proto/gen/spell/v1/RemoveAccessTokenRequest.js'
import type { TokenKind } from '../core/records.js'
import type { TokenView } from '../people/tokens.js'
import { type Handlers, unary } from './call.js'
import type { WayIn } from './people-handlers.js'
import { hasControlCharacters } from './text.js'
import type { UserCall } from './user-call.js'

/** The caller's own tokens. */
export function tokenHandlers(wayIn: () => WayIn): Handlers<UserCall> {
  return {
    'Tokens/Create': unary<CreateAccessTokenRequest__Output, UserCall>(async ({ name }, call) => {
      if (name.trim() === '' || [...name].length > 64 || hasControlCharacters(name))
        throw new RpcError(
          'INVALID_ARGUMENT',
          "A token's name has 1 to 64 characters, none of them a control character.",
          { field: 'name' },
        )
      const { secret, token } = await call.leader.people.createToken(call.user, name)
      return { token: tokenToWire(token, call), secret, ...wayIn() }
    }),
    'Tokens/List': unary<unknown, UserCall>(async (_, call) => ({
      tokens: (await call.leader.people.tokens(call.user)).map((token) => tokenToWire(token, call)),
    })),
    'Tokens/Remove': unary<RemoveAccessTokenRequest__Output, UserCall>(async ({ name }, call) => {
      await call.leader.people.removeToken(call.user, name)
      return {}
    }),
  }
}

const kinds: Readonly<Record<TokenKind, string>> = {
  login: 'LOGIN_TOKEN',
  access: 'ACCESS_TOKEN',
  bootstrap: 'BOOTSTRAP_TOKEN',
}

function tokenToWire({ name, kind, createdAtMs, sha256 }: TokenView, call: UserCall): object {
  const wireKind = kind === undefined ? 'USER_TOKEN_KIND_UNSPECIFIED' : kinds[kind]
  return { name, kind: wireKind, createdAtMs, current: sha256 === call.tokenSha256 }
}
