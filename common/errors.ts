/** gRPC's status codes (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), without loading gRPC. */
export const status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const

export type StatusName = keyof typeof status

/** Trouble that a person is told about: a status code and one sentence. */
export class RpcError extends Error {
  readonly code: StatusName
  /** Extra trailing metadata for the caller, such as `retry-after-ms`. */
  readonly trailers: Readonly<Record<string, string>>
  /** Of the request, the one at fault, in the names of the .proto files: `spec.labels`. */
  readonly field: string | undefined

  constructor(code: StatusName, message: string, options: RpcErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'RpcError'
    this.code = code
    this.trailers = options.trailers ?? {}
    this.field = options.field
  }
}

interface RpcErrorOptions {
  readonly cause?: unknown
  readonly trailers?: Readonly<Record<string, string>>
  readonly field?: string
}

/** A bug, not trouble: something that the code itself promised does not hold. */
export function invariant(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${sentence}`)
}

/** For the default branch of a switch over a union's kinds. */
export function unreachable(value: never): never {
  throw new Error(`Invariant broken: unexpected ${JSON.stringify(value)}`)
}

/** The sentence of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
