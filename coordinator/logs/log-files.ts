import { close, constants, fdatasync, fstat, open, write } from 'node:fs'
import { type FileHandle, open as openHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { type AttemptId, attemptKey } from '../../proto/model/attempt.js'
import { diskTrouble, systemCode } from '../../spellfs/disk-errors.js'
import { makeFolderBelow } from '../../spellfs/make-folder.js'
import { syncFolder } from '../../spellfs/store-mark.js'
import { packedBytes } from './beginnings.js'
import { openNew } from './log-file.js'
import { type Beginning, LogPacks } from './log-packs.js'
import { type LogTime, LogTimes, readLogTimes } from './log-times.js'
import { OpenLog } from './open-log.js'
import { inFile, inMemory, type StoredLog } from './stored-log.js'

const openFile = promisify(open)
const closeFile = promisify(close)
const fileFacts = promisify(fstat)
const syncData = promisify(fdatasync)
const writeFile: (
  fd: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  at: number,
) => Promise<{ bytesWritten: number }> = promisify(write)

const runsPerFolder = 1000
const { O_RDONLY, O_RDWR, O_NOFOLLOW } = constants

export interface LogFilesParts {
  /** `<storeDir>/.spell/logs` */
  readonly directory: string
  /** Throws while the store is away. */
  readonly checkPresent: () => Promise<void>
  readonly synced: () => void
}

/** Where logs lie: `<run / 1000>/<run>.<attempt>.log`, their times beside them, and beginnings of logs in packs of the same folder. Errors are in words. */
export class LogFiles {
  readonly #parts: LogFilesParts
  readonly #packs: LogPacks
  /** Folders that are known to be there. */
  readonly #prepared = new Set<string>()

  constructor(parts: LogFilesParts) {
    this.#parts = parts
    this.#packs = new LogPacks(parts.synced)
  }

  /** Resolves when all are durable. Never runs twice at a time. */
  async pack(beginnings: readonly Beginning[]): Promise<void> {
    const byFolder = new Map<string, Beginning[]>()
    for (const beginning of beginnings) {
      const folder = this.#folderOf(beginning.id)
      byFolder.set(folder, [...(byFolder.get(folder) ?? []), beginning])
    }
    try {
      // As a rule there is only one.
      for (const [folder, ofFolder] of byFolder) {
        await this.#prepare(folder)
        await this.#packs.append(folder, ofFolder)
      }
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  /** A log in a file of its own, with all that is durable of it. */
  async openToWrite(id: AttemptId): Promise<OpenLog> {
    try {
      const folder = this.#folderOf(id)
      await this.#prepare(folder)
      const path = join(folder, `${attemptKey(id)}.log`)
      const fresh = await openNew(path)
      const fd = fresh ?? (await openFile(path, O_RDWR | O_NOFOLLOW))
      try {
        const length = await this.#complete(fd, folder, id)
        const times = new LogTimes(this.#timesOf(id))
        return new OpenLog({ key: attemptKey(id), folder, fd, length, fresh: true, times })
      } catch (error) {
        await closeFile(fd)
        throw error
      }
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  /** Where more of it is: in a file of its own as a rule, in a pack while it is short. undefined: there is nothing. */
  async openToRead(id: AttemptId): Promise<StoredLog | undefined> {
    const folder = this.#folderOf(id)
    try {
      const file = await openIfThere(join(folder, `${attemptKey(id)}.log`))
      const packed = await this.#longerInPack(folder, id, file).catch(async (error: unknown) => {
        await file?.close()
        throw error
      })
      if (packed) {
        await file?.close()
        return inMemory(packed)
      }
      if (file) return inFile(file)
    } catch (error) {
      throw this.#inWords(error)
    }
    await this.#parts.checkPresent()
    return undefined
  }

  async #longerInPack(folder: string, id: AttemptId, file: FileHandle | undefined) {
    const size = file ? (await file.stat()).size : 0
    const packed = size >= packedBytes ? undefined : await this.#packs.find(folder, id)
    return packed && packed.length > size ? packed : undefined
  }

  /** Those of a log that is not open. */
  async times(id: AttemptId): Promise<readonly LogTime[]> {
    try {
      return await readLogTimes(this.#timesOf(id))
    } catch (error) {
      throw this.#inWords(error)
    }
  }

  /** Makes the names of new files in a folder durable. */
  async syncNames(folder: string): Promise<void> {
    await syncFolder(folder)
    this.#parts.synced()
  }

  /** Gives up what it remembers, as another leader may have written since. */
  forget(): Promise<void> {
    return this.#packs.forget()
  }

  /** Brings the file to what was ever answered for, durably; resolves with its length. */
  async #complete(fd: number, folder: string, id: AttemptId): Promise<number> {
    const { size } = await fileFacts(fd)
    const packed = size >= packedBytes ? undefined : await this.#packs.find(folder, id)
    let length = size
    while (packed && length < packed.length)
      length += (await writeFile(fd, packed, length, packed.length - length, length)).bytesWritten
    // Whoever wrote it may have ended before it was synced.
    if (length > 0) await syncData(fd)
    return length
  }

  async #prepare(folder: string): Promise<void> {
    if (this.#prepared.has(folder)) return
    await this.#parts.checkPresent()
    await makeFolderBelow(dirname(this.#parts.directory), folder, 0o700)
    await syncFolder(this.#parts.directory)
    this.#prepared.add(folder)
  }

  #timesOf(id: AttemptId): string {
    return join(this.#folderOf(id), `${attemptKey(id)}.times`)
  }

  #folderOf({ runId }: AttemptId): string {
    return join(this.#parts.directory, String(Math.floor(runId / runsPerFolder)))
  }

  #inWords(error: unknown): unknown {
    this.#prepared.clear()
    return diskTrouble(`The store of logs at ${this.#parts.directory}`, error)
  }
}

async function openIfThere(path: string) {
  try {
    return await openHandle(path, O_RDONLY | O_NOFOLLOW)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
