import { messageOf, RpcError } from '../common/errors.js'

const full = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])
const away = new Set([
  'ENOENT',
  'EIO',
  'ESTALE',
  'ENOTCONN',
  'EROFS',
  'EHOSTDOWN',
  'ETIMEDOUT',
  'ENODEV',
  'ENXIO',
])
const denied = new Set(['EACCES', 'EPERM'])
const unfit = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'ELOOP'])

/** The `code` of a system's error, such as ENOENT; undefined for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  return typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code) ? error.code : undefined
}

/** Whether the disk itself is in trouble, rather than what was asked of it. */
export function isDisksFault(error: unknown): boolean {
  const code = systemCode(error)
  return code !== undefined && !(error instanceof RpcError) && code !== 'EEXIST' && !unfit.has(code)
}

/** A disk's error as a person should read it. `what` begins the sentence: `The store at /srv/spell`. */
export function diskTrouble(what: string, error: unknown): unknown {
  const code = systemCode(error)
  if (code === undefined || error instanceof RpcError) return error
  if (full.has(code)) return new RpcError('RESOURCE_EXHAUSTED', `${what} is full.`, { cause: error })
  if (away.has(code)) return new RpcError('UNAVAILABLE', `${what} is away (${code}).`, { cause: error })
  if (denied.has(code))
    return new RpcError('UNAVAILABLE', `${what} cannot be used: ${messageOf(error)}.`, { cause: error })
  if (code === 'EEXIST')
    return new RpcError('ABORTED', `${what} has such a name already: somebody else writes it.`, {
      cause: error,
    })
  if (unfit.has(code))
    return new RpcError('INVALID_ARGUMENT', `${what} cannot hold such a name: ${messageOf(error)}.`, {
      cause: error,
    })
  return error
}
