import { createHash } from 'node:crypto'
import { close, open, write } from 'node:fs'
import { type FileHandle, open as openHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
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
    checkSize(sizeBytes + piece.length, options)
    hash.update(piece)
    let written = 0
    while (written < piece.length)
      written += (await file.write(piece, written, piece.length - written, sizeBytes + written)).bytesWritten
    sizeBytes += piece.length
  }
  if (bytes instanceof Uint8Array) await take(bytes)
  else for await (const piece of bytes) await take(piece)
  return { sizeBytes, sha256: checkHash(hash.digest('hex'), options) }
}

const openFile = promisify(open)
const closeFile = promisify(close)
const writeFile: (
  fd: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  at: number,
) => Promise<{ bytesWritten: number }> = promisify(write)

/** Writes a file that is in memory. For thousands of small ones: it costs the event loop a third of a FileHandle. */
export async function writeAtOnce(
  path: string,
  flags: number,
  bytes: Uint8Array,
  options: PutOptions,
): Promise<StoredObject> {
  options.signal?.throwIfAborted()
  checkSize(bytes.length, options)
  const sha256 = checkHash(createHash('sha256').update(bytes).digest('hex'), options)
  const fd = await openFile(path, flags, 0o644)
  try {
    for (let written = 0; written < bytes.length; )
      written += (await writeFile(fd, bytes, written, bytes.length - written, written)).bytesWritten
  } finally {
    await closeFile(fd)
  }
  return { sizeBytes: bytes.length, sha256 }
}

function checkSize(sizeBytes: number, { maxBytes }: PutOptions): void {
  if (maxBytes !== undefined && sizeBytes > maxBytes)
    throw new RpcError('RESOURCE_EXHAUSTED', `The object is larger than the ${maxBytes} bytes allowed.`)
}

function checkHash(found: string, { sha256 }: PutOptions): string {
  if (sha256 !== undefined && sha256 !== found)
    throw new RpcError('DATA_LOSS', `The bytes hash to ${found}, not to ${sha256}.`)
  return found
}

/** Writes a file as its bytes come. */
export async function writeStream(
  path: string,
  flags: number,
  bytes: ByteSource,
  options: PutOptions,
): Promise<StoredObject> {
  const file = await openHandle(path, flags, 0o644)
  try {
    return await writeBytes(file, bytes, options)
  } finally {
    await file.close()
  }
}
