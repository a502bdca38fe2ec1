import { createHash } from 'node:crypto'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { isFileTrouble } from './file-trouble.js'
import type { Folder } from './folder.js'

const pieceBytes = 1024 * 1024

/** Git's hash of a file's content, in the format (SHA-1 or SHA-256) that `like` has; undefined: it cannot be read. */
export async function fileBlob(folder: Folder, name: string, like: string): Promise<string | undefined> {
  const fd = folder.openFile(name)
  if (fd === undefined) return undefined
  try {
    return await hashOf(fd, like)
  } catch (error) {
    if (!isFileTrouble(error)) throw error
    return undefined
  } finally {
    closeSync(fd)
  }
}

async function hashOf(fd: number, like: string): Promise<string | undefined> {
  const facts = fstatSync(fd)
  if (!facts.isFile()) return undefined
  const hash = blobHash(facts.size, like)
  const piece = Buffer.allocUnsafe(Math.min(pieceBytes, facts.size))
  for (let at = 0; at < facts.size; ) {
    const bytes = readSync(fd, piece, 0, Math.min(piece.length, facts.size - at), at)
    if (bytes === 0) return undefined
    hash.update(piece.subarray(0, bytes))
    at += bytes
    if (at < facts.size) await setImmediate()
  }
  return hash.digest('hex')
}

export function textBlob(bytes: Buffer, like: string): string {
  return blobHash(bytes.length, like).update(bytes).digest('hex')
}

/** https://git-scm.com/book/en/v2/Git-Internals-Git-Objects: the header and the content are hashed. */
function blobHash(size: number, like: string) {
  return createHash(like.length === 64 ? 'sha256' : 'sha1').update(`blob ${size}\0`)
}
