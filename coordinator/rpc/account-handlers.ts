import { type Handlers, unary } from './call.js'
import type { UserCall } from './user-call.js'

export const accountHandlers: Handlers<UserCall> = {
  'Account/WhoAmI': unary<unknown, UserCall>(async (_, { user }) => user),
  'Account/Status': unary<unknown, UserCall>((_, { leader, user }) => leader.status(user)),
  'Account/Logout': unary<unknown, UserCall>(async (_, { leader, tokenSha256 }) => {
    await leader.removeToken(tokenSha256)
    return {}
  }),
}
