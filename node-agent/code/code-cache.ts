import { randomUUID } from 'node:crypto'
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { RpcError } from '../../common/errors.js'
import { makePristine, openPristine, type Pristine, type SyncedCode } from './pristine.js'

export interface CodeCacheSettings {
  /** Belongs to the cache alone. */
  readonly folder: string
  readonly maxBytes: number
  readonly maxCount: number
}

/** The bytes of object `code/<sha256>`, from the leader. */
export type FetchObject = (name: string, signal: AbortSignal) => AsyncIterable<Uint8Array>

export interface CodeLease {
  readonly pristine: Pristine
  /** From here on it may be removed. Safe to call twice. */
  release(): void
}

interface Held {
  readonly pristine: Pristine
  leases: number
}

/**
 * Pristine repositories, one a pack, by the pack's hash. The least recently used go first when there are too many or too
 * large ones; those in use stay, and count. What is in the folder is found again after a restart; a fetch that was cut
 * leaves nothing that would be taken for a repository.
 */
export class CodeCache {
  readonly #settings: CodeCacheSettings
  /** Least recently used first. */
  readonly #held = new Map<string, Held>()
  readonly #fetching = new Map<string, Promise<void>>()
  #restored: Promise<void> | undefined

  constructor(settings: CodeCacheSettings) {
    this.#settings = settings
  }

  /** The repository of a pack, fetched when it is not here; two who want one pack at once share the fetch. */
  async open(code: SyncedCode, fetch: FetchObject, signal: AbortSignal): Promise<CodeLease> {
    const key = code.packSha256
    if (!/^[0-9a-f]{64}$/.test(key))
      throw new RpcError('INVALID_ARGUMENT', `${JSON.stringify(key)} is no hash of a pack.`)
    await this.#whenRestored()
    for (;;) {
      signal.throwIfAborted()
      const held = this.#held.get(key)
      if (held) return await this.#lease(key, held)
      const other = this.#fetching.get(key)
      if (other) {
        // Its trouble is not ours: it may have been cancelled.
        await other.catch(() => undefined)
        continue
      }
      const fetching = this.#fetch(code, fetch, signal).finally(() => this.#fetching.delete(key))
      this.#fetching.set(key, fetching)
      await fetching
    }
  }

  async #fetch(code: SyncedCode, fetch: FetchObject, signal: AbortSignal): Promise<void> {
    const key = code.packSha256
    const folder = join(this.#settings.folder, key)
    const fresh = join(this.#settings.folder, `new-${randomUUID()}`)
    try {
      await makePristine(fresh, code, fetch(`code/${key}`, signal), signal)
      await this.#discard(folder)
      await rename(fresh, folder)
    } finally {
      await rm(fresh, { recursive: true, force: true })
    }
    this.#held.set(key, { pristine: await openPristine(folder), leases: 0 })
  }

  async #lease(key: string, held: Held): Promise<CodeLease> {
    held.leases += 1
    this.#held.delete(key)
    this.#held.set(key, held)
    const now = new Date()
    await utimes(held.pristine.folder, now, now)
    let released = false
    await this.#removeTooMany()
    return {
      pristine: held.pristine,
      release: () => {
        if (!released) held.leases -= 1
        released = true
      },
    }
  }

  async #removeTooMany(): Promise<void> {
    let bytes = [...this.#held.values()].reduce((sum, { pristine }) => sum + pristine.bytes, 0)
    for (const [key, { pristine, leases }] of this.#held) {
      if (bytes <= this.#settings.maxBytes && this.#held.size <= this.#settings.maxCount) return
      if (leases > 0) continue
      this.#held.delete(key)
      bytes -= pristine.bytes
      await this.#discard(pristine.folder)
    }
  }

  /** In one step for whoever starts next, though the agent may be killed meanwhile: half a repository passes for none. */
  async #discard(folder: string): Promise<void> {
    const gone = join(this.#settings.folder, `gone-${randomUUID()}`)
    await rename(folder, gone).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    await rm(gone, { recursive: true, force: true })
  }

  /** A look that failed is not the last one: the next who asks looks again. */
  async #whenRestored(): Promise<void> {
    this.#restored ??= this.#restore().catch((error: unknown) => {
      this.#restored = undefined
      throw error
    })
    await this.#restored
  }

  async #restore(): Promise<void> {
    const { folder } = this.#settings
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const found: { key: string; usedAtMs: number }[] = []
    for (const key of await readdir(folder)) {
      if (/^[0-9a-f]{64}$/.test(key)) found.push({ key, usedAtMs: (await stat(join(folder, key))).mtimeMs })
      else await rm(join(folder, key), { recursive: true, force: true })
    }
    for (const { key } of found.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      const pristine = await openPristine(join(folder, key)).catch(() => undefined)
      if (pristine) this.#held.set(key, { pristine, leases: 0 })
      // A damaged one is fetched again, by whoever wants it.
      else await this.#discard(join(folder, key))
    }
  }
}
