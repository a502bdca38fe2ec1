import { RpcError } from '../../common/errors.js'
import type { Role, User } from '../core/records.js'

// Who may call what: one row a method, and nothing else decides. A test walks the service descriptors and fails on a
// method without a row.

export interface Permission {
  /**
   * The least role that may call it; `anyone`: it needs no token, its request proves by itself who asks; `coordinator`: no
   * user, but other coordinators, whose certificates say so.
   */
  readonly role: Role | 'anyone' | 'coordinator'
  /** `own`: of what it touches only what the caller has made; an admin may touch all. */
  readonly of: 'all' | 'own'
}

export const permissions: Readonly<Record<string, Permission>> = {
  'Runs/Submit': { role: 'member', of: 'own' },
  'Runs/Get': { role: 'viewer', of: 'all' },
  'Runs/List': { role: 'viewer', of: 'all' },
  'Runs/Follow': { role: 'viewer', of: 'all' },
  'Runs/Stop': { role: 'member', of: 'own' },
  'Runs/Kill': { role: 'member', of: 'own' },
  'Runs/Archive': { role: 'member', of: 'own' },
  'Runs/SetLabel': { role: 'member', of: 'own' },
  'Projects/Create': { role: 'member', of: 'own' },
  'Projects/List': { role: 'viewer', of: 'all' },
  'Projects/Get': { role: 'viewer', of: 'all' },
  'Projects/Edit': { role: 'member', of: 'own' },
  'Projects/SetArchived': { role: 'member', of: 'own' },
  'Projects/AddRuns': { role: 'member', of: 'own' },
  'Projects/RemoveRuns': { role: 'member', of: 'own' },
  'Files/List': { role: 'viewer', of: 'all' },
  'Files/Read': { role: 'viewer', of: 'all' },
  'Files/HasObject': { role: 'member', of: 'all' },
  'Files/PutObject': { role: 'member', of: 'all' },
  'Account/WhoAmI': { role: 'viewer', of: 'own' },
  'Account/Status': { role: 'viewer', of: 'all' },
  'Account/Logout': { role: 'viewer', of: 'own' },
  'Cluster/Get': { role: 'viewer', of: 'all' },
  'Cluster/ListNodes': { role: 'viewer', of: 'all' },
  'Cluster/ListMachineTypes': { role: 'viewer', of: 'all' },
  'Cluster/Set': { role: 'admin', of: 'all' },
  'Cluster/SetUser': { role: 'admin', of: 'all' },
  'Join/Node': { role: 'anyone', of: 'own' },
  'Join/Coordinator': { role: 'anyone', of: 'own' },
  'Join/Renew': { role: 'anyone', of: 'own' },
  'JoinTokens/Create': { role: 'admin', of: 'all' },
  'JoinTokens/List': { role: 'admin', of: 'all' },
  'JoinTokens/Revoke': { role: 'admin', of: 'all' },
  'Nodes/Get': { role: 'viewer', of: 'all' },
  'Nodes/Cordon': { role: 'admin', of: 'all' },
  'Nodes/Uncordon': { role: 'admin', of: 'all' },
  'Nodes/Drain': { role: 'admin', of: 'all' },
  'Nodes/Remove': { role: 'admin', of: 'all' },
  'Nodes/SetLabel': { role: 'admin', of: 'all' },
  'People/Add': { role: 'admin', of: 'all' },
  'People/List': { role: 'admin', of: 'all' },
  'People/Set': { role: 'admin', of: 'all' },
  'People/Invite': { role: 'admin', of: 'all' },
  'People/Remove': { role: 'admin', of: 'all' },
  'People/LogIn': { role: 'anyone', of: 'own' },
  'People/ResetAdmin': { role: 'anyone', of: 'all' },
  'Tokens/Create': { role: 'viewer', of: 'own' },
  'Tokens/List': { role: 'viewer', of: 'own' },
  'Tokens/Remove': { role: 'viewer', of: 'own' },
  'Keeping/Backup': { role: 'admin', of: 'all' },
  'Keeping/Audit': { role: 'admin', of: 'all' },
  'Keeping/Repair': { role: 'admin', of: 'all' },
  'MachineTypes/Add': { role: 'admin', of: 'all' },
  'MachineTypes/List': { role: 'viewer', of: 'all' },
  'MachineTypes/Scale': { role: 'admin', of: 'all' },
  'MachineTypes/Delete': { role: 'admin', of: 'all' },
  'StoredObjects/Put': { role: 'coordinator', of: 'all' },
  'StoredObjects/Stage': { role: 'coordinator', of: 'all' },
  'StoredObjects/Settle': { role: 'coordinator', of: 'all' },
  'StoredObjects/Read': { role: 'coordinator', of: 'all' },
  'StoredObjects/Head': { role: 'coordinator', of: 'all' },
  'StoredObjects/List': { role: 'coordinator', of: 'all' },
  'StoredObjects/Delete': { role: 'coordinator', of: 'all' },
  'StoredObjects/DeleteAll': { role: 'coordinator', of: 'all' },
  'StoredLogs/Write': { role: 'coordinator', of: 'all' },
  'StoredLogs/Length': { role: 'coordinator', of: 'all' },
  'StoredLogs/Read': { role: 'coordinator', of: 'all' },
  'StoredLogs/Times': { role: 'coordinator', of: 'all' },
  'StoredLogs/Tail': { role: 'coordinator', of: 'all' },
}

const rank: Readonly<Record<Permission['role'], number>> = {
  ...{ anyone: -1, viewer: 0, member: 1, admin: 2 },
  coordinator: Number.POSITIVE_INFINITY,
}

export function isOpenToAnyone(name: string): boolean {
  return permissions[name]?.role === 'anyone'
}

export function isForCoordinators(name: string): boolean {
  return permissions[name]?.role === 'coordinator'
}

/** Throws PERMISSION_DENIED, naming the role wanted. `name` is `Service/Method`. */
export function permit(name: string, user: User): void {
  const wanted = permissions[name]?.role
  if (wanted !== undefined && rank[user.role] >= rank[wanted]) return
  throw new RpcError(
    'PERMISSION_DENIED',
    wanted === undefined
      ? `${name} is open to nobody.`
      : `${user.name} is a ${user.role}; this needs the role ${wanted}.`,
  )
}

/** Whether this user may touch what `owner` has made by calling `name`. */
export function mayTouch(name: string, user: User, owner: string): boolean {
  return permissions[name]?.of === 'all' || user.role === 'admin' || user.name === owner
}

const changingForViewers: ReadonlySet<string> = new Set(['Account/Logout', 'Tokens/Create', 'Tokens/Remove'])

/** Whether a call of this method may leave anything other than it was. */
export function changesSomething(name: string): boolean {
  return permissions[name]?.role !== 'viewer' || changingForViewers.has(name)
}
