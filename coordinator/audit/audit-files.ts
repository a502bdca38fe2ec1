import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { messageOf, RpcError } from '../../common/errors.js'
import { type AuditEntry, entryFromLine } from './audit-entry.js'

export interface AuditFilesSettings {
  readonly folder: string
  /** A file is closed when it has become this large. */
  readonly maxFileBytes: number
  /** The one that is written included. */
  readonly maxFiles: number
}

/**
 * The lines on the disk: `audit.jsonl` is written, `audit.1.jsonl` is the one before it, and so on; the oldest goes. All
 * 0600. Appends and reads may come in any order, but never two appends at a time.
 */
export class AuditFiles {
  readonly #settings: AuditFilesSettings
  #file: FileHandle | undefined
  #bytes = 0

  constructor(settings: AuditFilesSettings) {
    this.#settings = settings
  }

  /** Resolves when it is on the disk. After a failure nothing or a part was written; the next append begins anew. */
  async append(text: string): Promise<void> {
    const bytes = Buffer.from(text)
    try {
      const file = await this.#ready(bytes.length)
      await file.appendFile(bytes)
      await file.datasync()
      this.#bytes += bytes.length
    } catch (error) {
      await this.close().catch(() => {})
      throw error
    }
  }

  /** The newest `count` that `wanted` takes, oldest of them first. */
  async read(count: number, wanted: (entry: AuditEntry) => boolean): Promise<readonly AuditEntry[]> {
    let found: readonly AuditEntry[] = []
    for (let number = 0; number < this.#settings.maxFiles && found.length < count; number += 1)
      found = [...(await lastOf(this.#path(number), count - found.length, wanted)), ...found]
    return found
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #ready(next: number): Promise<FileHandle> {
    const { folder, maxFileBytes } = this.#settings
    if (this.#file && this.#bytes > 0 && this.#bytes + next > maxFileBytes) await this.#rotate()
    if (this.#file) return this.#file
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const file = await open(this.#path(0), 'a+', 0o600)
    this.#file = file
    this.#bytes = (await file.stat()).size
    // What a crash has cut off must not swallow the line after it.
    if (this.#bytes > 0 && !(await endsInNewline(file, this.#bytes))) await file.appendFile('\n')
    return file
  }

  async #rotate(): Promise<void> {
    await this.close()
    const oldest = this.#settings.maxFiles - 1
    await rm(this.#path(oldest), { force: true })
    for (let number = oldest - 1; number >= 0; number -= 1)
      await rename(this.#path(number), this.#path(number + 1)).catch(unlessMissing)
  }

  #path(number: number): string {
    return join(this.#settings.folder, number === 0 ? 'audit.jsonl' : `audit.${number}.jsonl`)
  }
}

async function lastOf(
  path: string,
  count: number,
  wanted: (entry: AuditEntry) => boolean,
): Promise<readonly AuditEntry[]> {
  const kept: AuditEntry[] = []
  try {
    for await (const line of createInterface({ input: createReadStream(path) })) {
      const entry = entryFromLine(line)
      if (!entry || !wanted(entry)) continue
      kept.push(entry)
      // Thrown away in bulk: one by one each would move all the others.
      if (kept.length >= 2 * count + 100) kept.splice(0, kept.length - count)
    }
  } catch (error) {
    if (isMissing(error)) return []
    throw new RpcError(
      'UNAVAILABLE',
      `The audit log of this coordinator cannot be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
  return kept.slice(-count)
}

async function endsInNewline(file: FileHandle, size: number): Promise<boolean> {
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer.toString() === '\n'
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error
}
