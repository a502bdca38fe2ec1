import { RpcError } from '../common/errors.js'
import { pathTrouble } from './paths.js'

/**
 * Where bytes are kept, by name: `runs/7/model.bin`, `.spell/objects/code/<sha256>`.
 *
 * Names are relative paths in UTF-8 without empty segments, `.`, `..` or NUL; others are refused (INVALID_ARGUMENT) before
 * anything is touched. `put` is all or nothing: whoever reads meanwhile, or after a crash, sees the old object or the new
 * one, whole; when it has resolved the object outlives a power cut.
 *
 * Trouble throws RpcError: RESOURCE_EXHAUSTED when the store is full, UNAVAILABLE when it is away (its mark is not to be
 * seen, or its disk fails), NOT_FOUND for a name that is read but not there, INVALID_ARGUMENT and DATA_LOSS where said.
 */
export interface ObjectStore {
  /** Writes an object whole and durably. With `sha256` other bytes are refused (DATA_LOSS) and leave nothing behind. */
  put(name: string, bytes: ByteSource, options?: PutOptions): Promise<StoredObject>
  /**
   * Writes an object of many, of a name that is not there (ABORTED), quicker than `put`: it may be seen half-written, and is durable only when a `settle` of a
   * prefix of its name that began after this resolved has resolved. For what is not yet referred to from anywhere.
   */
  stage(name: string, bytes: ByteSource, options?: PutOptions): Promise<StoredObject>
  /** Makes durable whatever was staged below the prefix. */
  settle(prefix: string): Promise<void>
  /** Bytes [offset, offset + length), up to the end without `length`; a range past the end is empty. */
  read(name: string, range?: ByteRange): AsyncIterable<Buffer>
  /** undefined: not there. */
  head(name: string): Promise<ObjectHead | undefined>
  /** Objects whose names begin with `prefix` and a slash, or with anything (empty prefix), ordered by name. */
  list(prefix: string, page: ListPage): Promise<ObjectPage>
  /** Succeeds for what is not there. */
  delete(name: string): Promise<void>
  /**
   * Deletes every object below the prefix. Safe to repeat. A directory takes all that there is away in one step, so that
   * what somebody writes there afterwards is safe from it.
   */
  deleteAll(prefix: string): Promise<void>
}

export type ByteSource = Uint8Array | AsyncIterable<Uint8Array>

export interface PutOptions {
  /** Hex; what the bytes must hash to. */
  readonly sha256?: string
  /** More than this is refused with RESOURCE_EXHAUSTED. */
  readonly maxBytes?: number
  readonly signal?: AbortSignal
}

export interface StoredObject {
  readonly sizeBytes: number
  /** Hex, of the bytes as written. */
  readonly sha256: string
}

export interface ByteRange {
  readonly offset: number
  readonly length?: number
}

export interface ObjectHead {
  readonly sizeBytes: number
  readonly modifiedAtMs: number
}

export interface ListPage {
  /** The last name of the page before; undefined for the first page. */
  readonly after?: string
  readonly limit: number
}

export interface ObjectPage {
  readonly objects: readonly (ObjectHead & { readonly name: string })[]
  /** Whether there are more after the last. */
  readonly more: boolean
}

/** Throws INVALID_ARGUMENT for a name that no store takes. */
export function checkObjectName(name: string): void {
  const trouble = pathTrouble(name)
  if (trouble)
    throw new RpcError('INVALID_ARGUMENT', `${JSON.stringify(name)} is no object's name: ${trouble}.`)
}
