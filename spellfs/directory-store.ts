import { randomUUID } from 'node:crypto'
import { constants, type Dirent } from 'node:fs'
import { lstat, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import type { Clock } from '../common/clock.js'
import { RpcError } from '../common/errors.js'
import { diskTrouble, isDisksFault, systemCode } from './disk-errors.js'
import { makeFolderBelow } from './make-folder.js'
import { comparePaths } from './manifest.js'
import {
  type ByteRange,
  type ByteSource,
  checkObjectName,
  type ListPage,
  type ObjectHead,
  type ObjectPage,
  type ObjectStore,
  type PutOptions,
  type StoredObject,
} from './object-store.js'
import { settleFiles } from './settle-files.js'
import { internalFolder, internalFolderMode, readMark, syncFolder } from './store-mark.js'
import { writeAtOnce, writeBytes, writeStream } from './write-bytes.js'

export interface DirectoryStoreSettings {
  readonly directory: string
  /** Must be what the directory's mark says (`markDirectoryStore`). */
  readonly cluster: string
}

const pieceBytes = 256 * 1024
const temporaryFolder = '.spell/temporary'
/** For so long the mark is believed without another look. */
const markTrustedMs = 1000
const leftoverAgeMs = 24 * 3600 * 1000
const { O_WRONLY, O_RDONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/**
 * An object store in a directory of a file system: an object is a file of its name. `put` writes a temporary file beside,
 * syncs it, renames it, and syncs the folders that hold its name; what a crash left is removed a day later.
 */
export class DirectoryStore implements ObjectStore {
  readonly #directory: string
  readonly #cluster: string
  readonly #clock: Clock
  readonly #failed: () => void
  #markSeenAt = Number.NEGATIVE_INFINITY
  readonly #madeFolders = new Set<string>()
  readonly #staged = new Map<string, number>()

  /** `failed` is told each time that the store is away or its disk in trouble. */
  constructor(settings: DirectoryStoreSettings, clock: Clock, failed: () => void = () => {}) {
    this.#directory = settings.directory
    this.#cluster = settings.cluster
    this.#clock = clock
    this.#failed = failed
  }

  put(name: string, bytes: ByteSource, options: PutOptions = {}): Promise<StoredObject> {
    return this.#use(name, async (path) => {
      const temporary = await this.#temporaryPath()
      try {
        const file = await open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, fileMode(name))
        let stored: StoredObject
        try {
          stored = await writeBytes(file, bytes, options)
          await file.sync()
        } finally {
          await file.close()
        }
        await this.#makeFolder(dirname(path))
        await rename(temporary, path)
        await syncFolder(dirname(path))
        return stored
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
    })
  }

  stage(name: string, bytes: ByteSource, options: PutOptions = {}): Promise<StoredObject> {
    return this.#use(name, async (path) => {
      await this.#makeFolder(dirname(path))
      // A leader that was deposed and does not know it yet must not cut off what its successor has written.
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
      const stored = await (bytes instanceof Uint8Array
        ? writeAtOnce(path, flags, bytes, options)
        : writeStream(path, flags, bytes, options))
      this.#staged.set(name, (this.#staged.get(name) ?? 0) + 1)
      return stored
    })
  }

  settle(prefix: string): Promise<void> {
    return this.#use(prefix, async () => {
      const names = new Map([...this.#staged].filter(([name]) => isBelow(name, prefix)))
      if (names.size === 0) return
      await settleFiles(this.#directory, [...names.keys()])
      for (const [name, times] of names) if (this.#staged.get(name) === times) this.#staged.delete(name)
    })
  }

  async *read(name: string, range: ByteRange = { offset: 0 }): AsyncIterable<Buffer> {
    const file = await this.#use(name, (path) => this.#orNotFound(name, open(path, O_RDONLY | O_NOFOLLOW)))
    try {
      let offset = range.offset
      const end = offset + (range.length ?? Number.POSITIVE_INFINITY)
      while (offset < end) {
        const piece = Buffer.allocUnsafe(Math.min(pieceBytes, end - offset))
        const { bytesRead } = await this.#explain(file.read(piece, 0, piece.length, offset))
        if (bytesRead === 0) return
        yield piece.subarray(0, bytesRead)
        offset += bytesRead
      }
    } finally {
      await file.close()
    }
  }

  head(name: string): Promise<ObjectHead | undefined> {
    return this.#use(name, async (path) => {
      const found = await lstat(path).catch((error: unknown) => {
        if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return undefined
        throw error
      })
      if (found === undefined) await this.#checkMark(true)
      if (!found?.isFile()) return undefined
      return { sizeBytes: found.size, modifiedAtMs: Math.round(found.mtimeMs) }
    })
  }

  list(prefix: string, { after, limit }: ListPage): Promise<ObjectPage> {
    return this.#use(prefix || '.spell', async () => {
      const objects: (ObjectHead & { name: string })[] = []
      for await (const name of this.#walk(prefix, after ?? '')) {
        if (objects.length === limit) return { objects, more: true }
        const found = await lstat(join(this.#directory, name)).catch(() => undefined)
        if (found) objects.push({ name, sizeBytes: found.size, modifiedAtMs: Math.round(found.mtimeMs) })
      }
      await this.#checkMark(objects.length === 0)
      return { objects, more: false }
    })
  }

  delete(name: string): Promise<void> {
    return this.#use(name, async (path) => {
      await unlink(path).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error
      })
      this.#staged.delete(name)
    })
  }

  deleteAll(prefix: string): Promise<void> {
    return this.#use(prefix, async (path) => {
      const temporary = await this.#temporaryPath()
      await rename(path, temporary).catch((error: unknown) => {
        if (systemCode(error) !== 'ENOENT' && systemCode(error) !== 'ENOTDIR') throw error
      })
      for (const name of this.#staged.keys()) if (isBelow(name, prefix)) this.#staged.delete(name)
      for (const folder of this.#madeFolders)
        if (folder === path || isBelow(folder, path)) this.#madeFolders.delete(folder)
      await rm(temporary, { recursive: true, force: true })
    })
  }

  /** Throws UNAVAILABLE while the store is away. */
  async checkPresent(): Promise<void> {
    await this.#explain(this.#checkMark(true))
  }

  /** Removes what programs that ended in the middle of a put or of a deletion have left. */
  async removeLeftovers(): Promise<void> {
    const folder = join(this.#directory, temporaryFolder)
    const names = await readdir(folder).catch(() => [])
    for (const name of names) {
      const found = await stat(join(folder, name)).catch(() => undefined)
      if (found && this.#clock.now() - found.mtimeMs > leftoverAgeMs)
        await rm(join(folder, name), { recursive: true, force: true })
    }
  }

  /** Checks the name and the mark, runs the action on the name's path, and puts trouble into words. */
  async #use<Result>(name: string, action: (path: string) => Promise<Result>): Promise<Result> {
    checkObjectName(name)
    return await this.#explain(this.#checkMark(false).then(() => action(join(this.#directory, name))))
  }

  async #explain<Result>(result: Promise<Result>): Promise<Result> {
    try {
      return await result
    } catch (error) {
      if (systemCode(error) === 'ENOENT') {
        this.#madeFolders.clear()
        await this.#checkMark(true)
      }
      if (isDisksFault(error)) this.#failed()
      throw diskTrouble(`The store at ${this.#directory}`, error)
    }
  }

  async #checkMark(now: boolean): Promise<void> {
    if (!now && this.#clock.monotonic() - this.#markSeenAt < markTrustedMs) return
    const found = await readMark(this.#directory)
    if (found !== this.#cluster) {
      this.#madeFolders.clear()
      this.#failed()
      const why = found === undefined ? 'its mark is not to be seen' : `it belongs to the cluster ${found}`
      throw new RpcError('UNAVAILABLE', `The store at ${this.#directory} is away: ${why}.`)
    }
    this.#markSeenAt = this.#clock.monotonic()
  }

  async #orNotFound<Result>(name: string, result: Promise<Result>): Promise<Result> {
    try {
      return await result
    } catch (error) {
      const code = systemCode(error)
      if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error
      await this.#checkMark(true)
      throw new RpcError('NOT_FOUND', `The store has no ${name}.`, { cause: error })
    }
  }

  async #temporaryPath(): Promise<string> {
    const folder = join(this.#directory, temporaryFolder)
    await this.#makeFolder(folder)
    return join(folder, randomUUID())
  }

  /** Makes a folder and whatever is missing above it, durably, and remembers it. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#madeFolders.has(folder)) return
    // Nothing may be made where the store only was a moment ago.
    await this.#checkMark(true)
    const name = relative(this.#directory, folder)
    const base = isInternal(name) ? join(this.#directory, internalFolder) : this.#directory
    const first = await makeFolderBelow(base, folder, folderMode(name))
    if (first !== undefined) {
      for (let path = folder; path.length >= first.length; path = dirname(path))
        await syncFolder(dirname(path))
    }
    if (this.#madeFolders.size > 10_000) this.#madeFolders.clear()
    this.#madeFolders.add(folder)
  }

  /** Names below a prefix in order, from behind `after` on. */
  async *#walk(prefix: string, after: string): AsyncIterable<string> {
    const found: Dirent[] = await readdir(join(this.#directory, prefix), { withFileTypes: true }).catch(
      (error: unknown) => {
        if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return []
        throw error
      },
    )
    const entries = found
      .map((entry) => ({ name: entry.name + (entry.isDirectory() ? '/' : ''), entry }))
      .sort((a, b) => comparePaths(a.name, b.name))
    const head = prefix === '' ? '' : `${prefix}/`
    for (const { name, entry } of entries) {
      const whole = head + name
      if (entry.isDirectory()) {
        // Everything below is before `after` unless `after` is below too.
        if (whole > after || after.startsWith(whole)) yield* this.#walk(head + entry.name, after)
      } else if (entry.isFile() && whole > after) yield whole
    }
  }
}

/** What Spell keeps for itself (runs with their environment variables, logs, code) is for its owner alone. */
const fileMode = (name: string): number => (isInternal(name) ? 0o600 : 0o644)
const folderMode = (name: string): number => (isInternal(name) ? internalFolderMode : 0o755)

function isInternal(name: string): boolean {
  return name === internalFolder || isBelow(name, internalFolder)
}

function isBelow(name: string, prefix: string): boolean {
  return name.startsWith(`${prefix}/`)
}
