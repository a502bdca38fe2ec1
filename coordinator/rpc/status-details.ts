import type { BadRequest__Output } from '../../proto/gen/google/rpc/BadRequest.js'
import type { Status__Output } from '../../proto/gen/google/rpc/Status.js'
import { codec } from '../../proto/wire.js'

/** The trailer in which details of an error travel: https://grpc.io/docs/guides/error/#richer-error-model */
export const statusDetailsTrailer = 'grpc-status-details-bin'

const status = codec<Status__Output>('google.rpc.Status')
const badRequest = codec<BadRequest__Output>('google.rpc.BadRequest')

/** The same error with the field of the request that is at fault, as a `google.rpc.Status` with a `BadRequest`. */
export function fieldDetails(error: {
  /** A gRPC status. */
  readonly code: number
  readonly message: string
  readonly field: string
}): Buffer {
  const { code, message, field } = error
  const value = badRequest.encode({ fieldViolations: [{ field, description: message }] })
  return status.encode({
    code,
    message,
    details: [{ type_url: 'type.googleapis.com/google.rpc.BadRequest', value }],
  })
}
