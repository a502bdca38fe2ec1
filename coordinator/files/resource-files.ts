import { LRUCache } from 'lru-cache'
import { RpcError } from '../../common/errors.js'
import { messageBytes, pageBytes } from '../../proto/message-bytes.js'
import type { FileEntry, FilePart } from '../../proto/model/files.js'
import { directoryEntry, entriesBelow, entryAt, fileEntry, listManifest } from '../../spellfs/listing.js'
import { decodeManifest, type ManifestEntry, type ManifestFile } from '../../spellfs/manifest.js'
import type { ObjectStore } from '../../spellfs/object-store.js'
import { manifestName, outputsPrefix, parseResourcePath } from '../../spellfs/paths.js'
import { readWhole } from './read-whole.js'
import type { RunOutputs, RunRecords } from './run-records.js'
import { verified } from './verified.js'

export interface FileListRequest {
  /** As a user writes it; empty for the heads. */
  readonly path: string
  readonly recursive: boolean
  /** 0: 1,000; at most 10,000. */
  readonly pageSize: number
  /** Of the page before; empty for the first. */
  readonly pageToken: string
}

export interface FileList {
  readonly entries: readonly FileEntry[]
  /** Empty: no more. */
  readonly nextPageToken: string
}

export interface FileReadRequest {
  readonly path: string
  /** Every file and link below, one after another. */
  readonly recursive: boolean
  /** Only with a single file. */
  readonly offset: number
}

/** `cacheBytes`: memory for manifests that were read. */
export const defaultResourceFilesSettings = { cacheBytes: 64 * 1024 * 1024 }

const largeManifestKeptMs = 60_000
const maxManifestBytes = 1024 * 1024 * 1024
const defaultPageSize = 1000
const maxPageSize = 10_000

/**
 * The resources that users list and read. What is in `runs/<id>` is what the manifest says whose hash the run's record
 * names; files that lie in the store beside it are not seen.
 */
export class ResourceFiles {
  readonly #store: ObjectStore
  readonly #runs: RunRecords
  readonly #manifests: LRUCache<string, readonly ManifestEntry[]>
  /** The newest of those too large for the others' cache, for as long as somebody goes from page to page. */
  readonly #largeManifest = new LRUCache<string, readonly ManifestEntry[]>({
    max: 1,
    ttl: largeManifestKeptMs,
    updateAgeOnGet: true,
    ttlAutopurge: true,
  })
  readonly #reading = new Map<string, Promise<readonly ManifestEntry[]>>()

  constructor(store: ObjectStore, runs: RunRecords, { cacheBytes } = defaultResourceFilesSettings) {
    this.#store = store
    this.#runs = runs
    this.#manifests = new LRUCache({
      maxSize: cacheBytes,
      // About what an entry takes in memory.
      sizeCalculation: (entries) => 300 * entries.length + 1,
    })
  }

  /** The entries directly below a path (or all files below), or the file itself. NOT_FOUND: nothing is there. */
  async list(request: FileListRequest): Promise<FileList> {
    const resource = parseResourcePath(request.path)
    const pageSize = Math.min(request.pageSize || defaultPageSize, maxPageSize)
    switch (resource.kind) {
      case 'heads':
        return whole(['public', 'runs', 'uploads'].map((head) => directoryEntry(head, 0, 0)))
      case 'runs':
        return await this.#listRuns(pageSize, request.pageToken)
      case 'run': {
        const outputs = await this.#runs.outputsOf(resource.runId)
        const entries = listManifest(await this.#manifestOf(resource.runId, outputs), {
          path: resource.path,
          recursive: request.recursive,
          head: `runs/${resource.runId}/`,
          after: lastPathOf(request.pageToken),
        })
        if (!entries) throw notFound(request.path)
        const shown = page(entries, pageSize)
        return outputs.finished ? shown : { ...shown, entries: shown.entries.map(unfinished) }
      }
      case 'uploads':
        return whole([])
      case 'public':
        if (resource.path === '') return whole([])
        throw notFound(request.path)
      case 'upload':
        throw notFound(request.path)
    }
  }

  /**
   * The bytes of a file, or of every file below a path. The bytes of a whole file are checked against its hash: DATA_LOSS
   * after the last of them when they are not what was saved.
   */
  async *read(request: FileReadRequest, signal: AbortSignal): AsyncIterable<FilePart> {
    const resource = parseResourcePath(request.path)
    if (resource.kind !== 'run') throw notFound(request.path)
    const { runId, path } = resource
    const outputs = await this.#runs.outputsOf(runId)
    const entries = await this.#manifestOf(runId, outputs)
    const self = entryAt(entries, path)
    const below = self ? [self] : entriesBelow(entries, path)
    if (below.length === 0 && path !== '') throw notFound(request.path)
    if (!self && !request.recursive)
      throw new RpcError('FAILED_PRECONDITION', `${request.path} is a directory: read it recursively.`)
    if (request.offset > 0 && !self)
      throw new RpcError('INVALID_ARGUMENT', 'An offset goes with a single file only.')
    const prefix = outputsPrefix(runId, outputs.attempt)
    for (const entry of below) {
      yield { entry: fileEntry(entry, `runs/${runId}/`), data: new Uint8Array() }
      if (entry.kind === 'link') continue
      for await (const data of this.#bytes(prefix, entry, request.offset)) {
        signal.throwIfAborted()
        yield { entry: undefined, data }
      }
    }
  }

  #bytes(prefix: string, entry: ManifestFile, offset: number): AsyncIterable<Buffer> {
    const name = `${prefix}/${entry.path}`
    if (offset >= entry.sizeBytes && entry.sizeBytes > 0) return verified([], name, undefined)
    const bytes = this.#store.read(name, { offset, length: entry.sizeBytes - offset })
    return verified(bytes, name, offset === 0 ? entry.sha256 : undefined)
  }

  async #listRuns(pageSize: number, pageToken: string): Promise<FileList> {
    const before = pageToken === '' ? undefined : Number(pageToken)
    if (before !== undefined && !Number.isSafeInteger(before)) throw badToken()
    const ids = await this.#runs.newestIds(before, pageSize)
    const entries: FileEntry[] = []
    for (const id of ids) {
      const outputs = await this.#runs.outputsOf(id)
      const entry = directoryEntry(`runs/${id}`, 0, outputs.createdAtMs)
      entries.push(outputs.finished ? entry : unfinished(entry))
    }
    const last = ids.at(-1)
    return { entries, nextPageToken: ids.length === pageSize && last !== undefined ? String(last) : '' }
  }

  async #manifestOf(runId: number, outputs: RunOutputs): Promise<readonly ManifestEntry[]> {
    const { manifestSha256 } = outputs
    if (manifestSha256 === undefined) return []
    const known = this.#manifests.get(manifestSha256) ?? this.#largeManifest.get(manifestSha256)
    if (known) return known
    const name = manifestName(runId, outputs.attempt)
    const reading = this.#reading.get(manifestSha256) ?? this.#readManifest(name, manifestSha256)
    this.#reading.set(manifestSha256, reading)
    try {
      return await reading
    } finally {
      this.#reading.delete(manifestSha256)
    }
  }

  async #readManifest(name: string, sha256: string): Promise<readonly ManifestEntry[]> {
    const bytes = await readWhole(verified(this.#store.read(name), name, sha256), maxManifestBytes, name)
    const entries = await decodeManifest(bytes)
    this.#manifests.set(sha256, entries)
    if (!this.#manifests.has(sha256)) this.#largeManifest.set(sha256, entries)
    return entries
  }
}

/** As many of the first as are wanted, and as a message takes. */
function page(entries: Iterable<FileEntry>, size: number): FileList {
  const shown: FileEntry[] = []
  let bytes = 0
  for (const entry of entries) {
    const last = shown.at(-1)
    if (last && (shown.length === size || bytes >= pageBytes))
      return { entries: shown, nextPageToken: Buffer.from(last.path).toString('base64url') }
    shown.push(entry)
    bytes += messageBytes(entry)
  }
  return whole(shown)
}

/** The path that a page ended with, out of the token it gave; undefined: the first page is asked for. */
function lastPathOf(pageToken: string): string | undefined {
  return pageToken === '' ? undefined : Buffer.from(pageToken, 'base64url').toString()
}

function whole(entries: readonly FileEntry[]): FileList {
  return { entries, nextPageToken: '' }
}

function unfinished(entry: FileEntry): FileEntry {
  return { ...entry, runUnfinished: true }
}

function notFound(path: string): RpcError {
  return new RpcError('NOT_FOUND', `No files for path ${path}`)
}

function badToken(): RpcError {
  return new RpcError('INVALID_ARGUMENT', 'The page token is not one of a listing of runs.')
}
