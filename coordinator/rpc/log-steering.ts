import type { Log } from '../../common/log.js'
import { changesSomething } from './permissions.js'
import type { EndedCall } from './server.js'
import { statusName } from './status.js'
import type { UserCall } from './user-call.js'

/** Who did what: a line for each call that could change something. A submission is told by the run itself, too. */
export function logSteering(log: Log, { method, code, milliseconds, context }: EndedCall<UserCall>): void {
  const name = `${method.service}/${method.name}`
  if (!context || !changesSomething(name)) return
  const facts = {
    user: context.user.name,
    method: name,
    status: statusName(code),
    milliseconds: Math.round(milliseconds),
  }
  if (name === 'Runs/Submit') log.debug('a call', facts)
  else log.info('a call', facts)
}
