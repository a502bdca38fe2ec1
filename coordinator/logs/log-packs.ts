import { randomBytes } from 'node:crypto'
import { close, constants, fdatasync, open, write } from 'node:fs'
import { open as openHandle, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LRUCache } from 'lru-cache'
import type { AttemptId } from '../../proto/model/attempt.js'
import { attemptKey } from '../../proto/model/attempt.js'
import { systemCode } from '../../spellfs/disk-errors.js'
import { syncFolder } from '../../spellfs/store-mark.js'
import { decodePack, encodePacked } from './packed-record.js'

const openFile = promisify(open)
const closeFile = promisify(close)
const syncData = promisify(fdatasync)
const writeFile: (
  fd: number,
  bytes: Uint8Array,
  from: number,
  length: number,
  at: number,
) => Promise<{ bytesWritten: number }> = promisify(write)

const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants

/** Packs being written at once, and folders whose packs are known by heart. */
const most = { active: 4, indexed: 16 }

/** The beginning of a log, on its way into a pack. */
export interface Beginning {
  readonly id: AttemptId
  readonly data: Uint8Array
}

interface Place {
  readonly path: string
  readonly at: number
  readonly length: number
}

interface ActivePack {
  readonly path: string
  readonly fd: number
  tail: number
}

/**
 * The beginnings of many logs in one file, made durable by one sync; most runs print little, and a file and a sync of its
 * own for each would cost more than everything else about such a run.
 *
 * A folder `<run / 1000>` may have several packs, each written by one leader from its beginning on and by nobody else: a
 * leader that was deposed and does not know it spoils nothing. Records follow one another; whatever comes after the first
 * that is not whole was never answered for. Where there are several of one attempt, the longest counts.
 */
export class LogPacks {
  readonly #active = new Map<string, ActivePack>()
  readonly #indexes = new LRUCache<string, Promise<Map<string, Place> | undefined>>({ max: most.indexed })
  readonly #synced: () => void

  constructor(synced: () => void) {
    this.#synced = synced
  }

  /** Resolves when all are durable. The folder is there. Never runs twice at a time for one folder. */
  async append(folder: string, beginnings: readonly Beginning[]): Promise<void> {
    const pack = this.#active.get(folder) ?? (await this.#begin(folder))
    this.#active.delete(folder)
    const records = beginnings.map(encodePacked)
    const bytes = Buffer.concat(records)
    try {
      for (let written = 0; written < bytes.length; ) {
        const left = bytes.length - written
        written += (await writeFile(pack.fd, bytes, written, left, pack.tail + written)).bytesWritten
      }
      await syncData(pack.fd)
      this.#synced()
    } catch (error) {
      // What stands behind its tail is unknown: the next comes into another pack.
      await closeFile(pack.fd)
      throw error
    }
    this.#active.set(folder, pack)
    const index = await this.#indexes.get(folder)?.catch(() => undefined)
    for (const [place, { id, data }] of beginnings.entries()) {
      pack.tail += records[place]?.length ?? 0
      if (index) note(index, id, { path: pack.path, at: pack.tail - data.length, length: data.length })
    }
    await this.#endOldest(most.active)
  }

  /** What is durable of that attempt's beginning; undefined: nothing here. */
  async find(folder: string, id: AttemptId): Promise<Buffer | undefined> {
    const place = (await this.#index(folder))?.get(attemptKey(id))
    if (!place) return undefined
    const file = await openHandle(place.path, constants.O_RDONLY | O_NOFOLLOW)
    try {
      const bytes = Buffer.alloc(place.length)
      const { bytesRead } = await file.read(bytes, 0, place.length, place.at)
      return bytes.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  /** Gives up what it remembers, as another leader may have written since. */
  async forget(): Promise<void> {
    this.#indexes.clear()
    await this.#endOldest(0)
  }

  #index(folder: string): Promise<Map<string, Place> | undefined> {
    const known = this.#indexes.get(folder)
    if (known) return known
    const index = readIndex(folder)
    this.#indexes.set(folder, index)
    const drop = () => {
      if (this.#indexes.peek(folder) === index) this.#indexes.delete(folder)
    }
    // A folder that is not there may be one whose store is away: what is in it shows when it is back.
    index.then((found) => found ?? drop(), drop)
    return index
  }

  async #begin(folder: string): Promise<ActivePack> {
    const path = join(folder, `${randomBytes(6).toString('hex')}.pack`)
    const fd = await openFile(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    await syncFolder(folder)
    this.#synced()
    return { path, fd, tail: 0 }
  }

  async #endOldest(keep: number): Promise<void> {
    for (const [folder, { fd }] of this.#active) {
      if (this.#active.size <= keep) return
      this.#active.delete(folder)
      await closeFile(fd)
    }
  }
}

function note(index: Map<string, Place>, id: AttemptId, place: Place): void {
  const key = attemptKey(id)
  if (place.length > (index.get(key)?.length ?? 0)) index.set(key, place)
}

/** undefined: there is no such folder. */
async function readIndex(folder: string): Promise<Map<string, Place> | undefined> {
  const index = new Map<string, Place>()
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (!names) return undefined
  for (const name of names.filter((one) => one.endsWith('.pack'))) {
    const path = join(folder, name)
    const file = await openHandle(path, constants.O_RDONLY | O_NOFOLLOW)
    try {
      // Whoever wrote it may have ended before it was synced; what comes behind this length is not looked at.
      const { size } = await file.stat()
      await file.datasync()
      const bytes = Buffer.alloc(size)
      const { bytesRead } = await file.read(bytes, 0, size, 0)
      for (const { id, at, length } of decodePack(bytes.subarray(0, bytesRead)))
        note(index, id, { path, at, length })
    } finally {
      await file.close()
    }
  }
  return index
}
