import type { Metadata, ServiceError } from '@grpc/grpc-js'
import { messageOf, RpcError, type StatusName, status } from '../common/errors.js'

const names = new Map<number, StatusName>(
  Object.entries(status).map(([name, code]) => [code, name as StatusName]),
)

/** What a call ended with, as our own error: status, the sentence of the other side and the trailers that are text. */
export function rpcErrorFrom(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  if (!isServiceError(error)) return new RpcError('UNKNOWN', messageOf(error), { cause: error })
  return new RpcError(names.get(error.code) ?? 'UNKNOWN', error.details || error.message, {
    cause: error,
    trailers: textOf(error.metadata),
  })
}

/** How long the other side asked to wait before the next try. */
export function retryAfterMs(error: RpcError): number | undefined {
  const text = error.trailers['retry-after-ms']
  const wait = Number(text)
  return text !== undefined && wait >= 0 ? wait : undefined
}

/** gRPC's own sentence when it could not connect, shortened to the reason; undefined when a server spoke. */
export function connectionTrouble(error: RpcError): string | undefined {
  if (error.code !== 'UNAVAILABLE') return undefined
  const found = /^No connection established\.(?: Last error: (.*?))?(?:\. Resolution note: .*)?$/s.exec(
    error.message,
  )
  if (found) return (found[1] ?? '').replace(/^Error: /, '') || 'no connection'
  return /^name resolution/i.test(error.message) ? 'the name is not known' : undefined
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error
}

/** Headers of every answer, which say nothing about this one. */
const ofHttp = new Set(['content-type', 'date'])

function textOf(metadata: Metadata | undefined): Readonly<Record<string, string>> {
  const trailers: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata?.getMap() ?? {})) {
    if (typeof value === 'string' && !ofHttp.has(name)) trailers[name] = value
  }
  return trailers
}
