import { randomUUID } from 'node:crypto'
import { Metadata, type StatusObject } from '@grpc/grpc-js'
import { RpcError, status } from '../../common/errors.js'
import type { Log } from '../../common/log.js'
import { fieldDetails, statusDetailsTrailer } from './status-details.js'

/** How long a client should wait before it tries again when nothing better is known, in milliseconds. */
const defaultRetryAfterMs = 500

/** The one place where what a handler throws becomes what a caller is told. */
export function statusFrom(error: unknown, log: Log): StatusObject {
  if (error instanceof RpcError) return known(error)
  if (isStatus(error)) return withDelay(error)
  const id = randomUUID().slice(0, 8)
  log.error('a call failed for a reason that nobody foresaw', { errorId: id, error })
  return known(
    new RpcError(
      'INTERNAL',
      `Something broke inside the coordinator. Its log has more under error id ${id}.`,
    ),
  )
}

const names = new Map<number, string>(Object.entries(status).map(([name, code]) => [code, name]))

/** The name of a status, for logs and metrics. */
export function statusName(code: number): string {
  return names.get(code) ?? `code_${code}`
}

function known(error: RpcError): StatusObject {
  const metadata = new Metadata()
  for (const [name, value] of Object.entries(error.trailers)) metadata.set(name, value)
  const { message, field } = error
  const code = status[error.code]
  if (field !== undefined) metadata.set(statusDetailsTrailer, fieldDetails({ code, message, field }))
  return withDelay({ code, details: message, metadata })
}

function withDelay(answer: StatusObject): StatusObject {
  const { code, metadata } = answer
  if (code === status.UNAVAILABLE && metadata.get('retry-after-ms').length === 0)
    metadata.set('retry-after-ms', String(defaultRetryAfterMs))
  return answer
}

/** What another coordinator answered: passed on as it came. */
function isStatus(error: unknown): error is StatusObject {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'number' &&
    'details' in error &&
    'metadata' in error
  )
}
