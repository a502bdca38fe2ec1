import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { RpcError } from '../common/errors.js'
import type { ByteSource, PutOptions, StoredObject } from './object-store.js'

/** Writes bytes to a file just opened, hashing them, and checks them against what was asked. */
export async function writeBytes(
  file: FileHandle,
  bytes: ByteSource,
  options: PutOptions,
): Promise<StoredObject> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const take = async (piece: Uint8Array) => {
    options.signal?.throwIfAborted()
    if (sizeBytes + piece.length > (options.maxBytes ?? Number.POSITIVE_INFINITY))
      throw new RpcError(
        'RESOURCE_EXHAUSTED',
        `The object is larger than the ${options.maxBytes} bytes allowed.`,
      )
    hash.update(piece)
    let written = 0
    while (written < piece.length)
      written += (await file.write(piece, written, piece.length - written, sizeBytes + written)).bytesWritten
    sizeBytes += piece.length
  }
  if (bytes instanceof Uint8Array) await take(bytes)
  else for await (const piece of bytes) await take(piece)
  const sha256 = hash.digest('hex')
  if (options.sha256 !== undefined && options.sha256 !== sha256)
    throw new RpcError('DATA_LOSS', `The bytes hash to ${sha256}, not to ${options.sha256}.`)
  return { sizeBytes, sha256 }
}
