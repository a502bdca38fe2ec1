import { constants, open } from 'node:fs'
import { promisify } from 'node:util'
import { systemCode } from '../../spellfs/disk-errors.js'
import type { StoredLog } from './stored-log.js'

const openFile = promisify(open)
const pieceBytes = 64 * 1024
const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/** Most logs are new: this saves asking how long they are. undefined: it was there. */
export async function openNew(path: string): Promise<number | undefined> {
  try {
    return await openFile(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return undefined
    throw error
  }
}

/** Where the last `lines` lines before `limit` begin; the newline at the very end begins none. */
export async function tailOf(file: StoredLog, lines: number, limit: number): Promise<number> {
  let newlines = 0
  for (let end = limit; end > 0; ) {
    const start = Math.max(0, end - pieceBytes)
    const buffer = Buffer.alloc(end - start)
    const { bytesRead } = await file.read(buffer, 0, end - start, start)
    for (let index = bytesRead - 1; index >= 0; index--) {
      if (buffer[index] !== 10 || start + index === limit - 1) continue
      newlines += 1
      if (newlines === lines) return start + index + 1
    }
    end = start
  }
  return 0
}

/** Bytes [offset, end) of a file, as far as there are any. */
export async function* pieces(file: StoredLog, offset: number, end: number): AsyncIterable<Buffer> {
  for (let at = offset; at < end; ) {
    const piece = Buffer.allocUnsafe(Math.min(pieceBytes, end - at))
    const { bytesRead } = await file.read(piece, 0, piece.length, at)
    if (bytesRead === 0) return
    yield piece.subarray(0, bytesRead)
    at += bytesRead
  }
}
