import { RpcError } from '../../common/errors.js'
import { parseResourcePath } from '../../spellfs/paths.js'
import type { UserCall } from './user-call.js'

// In a private cluster everybody sees every run's row; what a run has printed and made is for its owner and for admins.

/** PERMISSION_DENIED: the run's log and outputs are not for this caller. NOT_FOUND: there is no such run. */
export async function refusePrivate({ leader, user }: UserCall, runId: number): Promise<void> {
  if (!leader.people.isPrivate || user.role === 'admin') return
  const { creator } = await leader.run(runId)
  if (creator === user.name) return
  throw new RpcError(
    'PERMISSION_DENIED',
    `Run ${runId} is ${creator}'s, and this cluster is private: its log and its outputs are for ${creator} and for admins.`,
  )
}

/** The same by a resource's path, as a user writes it. */
export async function refusePrivateFiles(call: UserCall, path: string): Promise<void> {
  if (!call.leader.people.isPrivate) return
  const resource = parseResourcePath(path)
  if (resource.kind === 'run') await refusePrivate(call, resource.runId)
}
