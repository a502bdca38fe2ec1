import { setImmediate } from 'node:timers/promises'
import { RpcError } from '../../common/errors.js'
import type { AttemptId } from '../../proto/model/attempt.js'
import type { OutputFile, OutputPart } from '../../proto/model/files.js'
import { decodeManifest, entriesPerTurn, type ManifestEntry } from '../../spellfs/manifest.js'
import type { ObjectStore, StoredObject } from '../../spellfs/object-store.js'
import { manifestName, outputsPrefix, pathTrouble } from '../../spellfs/paths.js'
import { ByteQueue } from './byte-queue.js'

export interface StoredOutputs {
  readonly manifestSha256: string
  readonly files: number
  readonly totalBytes: number
}

/** Files being written at once, and bytes that wait for the store. */
const maxUnderWay = 16
const maxWaitingBytes = 8 * 1024 * 1024
const maxManifestBytes = 1024 * 1024 * 1024

/**
 * Stores what an attempt has saved: its files below the attempt's own prefix, then the manifest, all durable and checked
 * against the manifest before it resolves. Nothing of it is seen by users until the run's record names the manifest's
 * hash. What an earlier try left below the prefix is removed first, so it must not be called once the record names one,
 * nor twice at a time for one attempt. DATA_LOSS or INVALID_ARGUMENT when parts and manifest do not agree.
 */
export async function storeOutputs(
  store: ObjectStore,
  id: AttemptId,
  parts: AsyncIterable<OutputPart>,
  signal: AbortSignal,
): Promise<StoredOutputs> {
  const prefix = outputsPrefix(id.runId, id.attempt)
  await store.deleteAll(prefix)
  const receiver = new Receiver(store, prefix, signal)
  try {
    for await (const part of parts) {
      signal.throwIfAborted()
      await receiver.take(part)
    }
    await receiver.end()
  } catch (error) {
    await receiver.abandon(error)
    throw error
  }
  const entries = await decodeManifest(receiver.manifest())
  const totalBytes = await compare(entries, receiver.stored)
  await store.settle(prefix)
  signal.throwIfAborted()
  const name = manifestName(id.runId, id.attempt)
  const { sha256 } = await store.put(name, receiver.manifestPieces(), { signal })
  return { manifestSha256: sha256, files: entries.length, totalBytes }
}

/** Takes the parts of a stream in turn and has files written, several at once. */
class Receiver {
  readonly #store: ObjectStore
  readonly #prefix: string
  readonly #signal: AbortSignal
  readonly stored = new Map<string, StoredObject>()
  readonly #begun = new Set<string>()
  readonly #underWay = new Set<Promise<void>>()
  readonly #manifest: Uint8Array[] = []
  #manifestBytes = 0
  #current: ByteQueue | undefined
  #failed: { readonly error: unknown } | undefined

  constructor(store: ObjectStore, prefix: string, signal: AbortSignal) {
    this.#store = store
    this.#prefix = prefix
    this.#signal = signal
  }

  async take(part: OutputPart): Promise<void> {
    this.#throwFailure()
    if (part.file) await this.#begin(part.file, part.data)
    else if (part.data.length > 0) {
      if (!this.#current) throw refuse('data came that belongs to no file')
      await this.#current.push(part.data)
    }
    if (part.manifest.length > 0) {
      this.#current?.end()
      this.#current = undefined
      this.#manifestBytes += part.manifest.length
      if (this.#manifestBytes > maxManifestBytes) throw refuse('their manifest is too large')
      this.#manifest.push(part.manifest)
    }
  }

  async end(): Promise<void> {
    this.#current?.end()
    await Promise.all(this.#underWay)
    this.#throwFailure()
    if (this.#manifestBytes === 0) throw refuse('they ended without a manifest')
  }

  manifest(): Buffer {
    return Buffer.concat(this.#manifest)
  }

  /** The same as it came, so that nobody has to hash it in one go. */
  async *manifestPieces(): AsyncGenerator<Uint8Array> {
    yield* this.#manifest
  }

  /** Ends what is being written, so that nothing goes on after the call. Safe after a failure. */
  async abandon(error: unknown): Promise<void> {
    this.#current?.fail(error)
    await Promise.all(this.#underWay)
  }

  async #begin({ path, sizeBytes }: OutputFile, data: Uint8Array): Promise<void> {
    if (this.#manifestBytes > 0) throw refuse('a file came after the manifest')
    const trouble = pathTrouble(path)
    if (trouble) throw refuse(`the path ${JSON.stringify(path)} is refused: ${trouble}`)
    if (this.#begun.has(path)) throw refuse(`${JSON.stringify(path)} came twice`)
    this.#begun.add(path)
    this.#current?.end()
    this.#current = undefined
    while (this.#underWay.size >= maxUnderWay) await Promise.race(this.#underWay)
    this.#throwFailure()
    if (data.length >= sizeBytes) {
      // Most files come whole with their header, and need no queue.
      this.#start(path, data)
      return
    }
    this.#current = new ByteQueue(maxWaitingBytes)
    this.#start(path, this.#current)
    await this.#current.push(data)
  }

  #start(path: string, bytes: ByteQueue | Uint8Array): void {
    const writing = this.#write(path, bytes).finally(() => this.#underWay.delete(writing))
    this.#underWay.add(writing)
  }

  /** Never rejects: the failure is thrown where the next part is taken. */
  async #write(path: string, bytes: ByteQueue | Uint8Array): Promise<void> {
    try {
      const stored = await this.#store.stage(`${this.#prefix}/${path}`, bytes, { signal: this.#signal })
      this.stored.set(path, stored)
    } catch (error) {
      this.#failed ??= { error }
      if (bytes instanceof ByteQueue) bytes.fail(error)
    }
  }

  #throwFailure(): void {
    if (this.#failed) throw this.#failed.error
  }
}

/** Gives the bytes of all files. */
async function compare(
  entries: readonly ManifestEntry[],
  stored: ReadonlyMap<string, StoredObject>,
): Promise<number> {
  let files = 0
  let totalBytes = 0
  for (const [index, entry] of entries.entries()) {
    if (index % entriesPerTurn === 0) await setImmediate()
    if (entry.kind !== 'file') continue
    const { path, sizeBytes, sha256 } = entry
    const got = stored.get(path)
    if (!got) throw refuse(`${JSON.stringify(path)} is in the manifest and was not sent`)
    if (got.sizeBytes !== sizeBytes || got.sha256 !== sha256)
      throw new RpcError('DATA_LOSS', `${JSON.stringify(path)} did not arrive as the manifest has it.`)
    files += 1
    totalBytes += sizeBytes
  }
  if (files !== stored.size) throw refuse('a file was sent that is not in the manifest')
  return totalBytes
}

function refuse(why: string): RpcError {
  return new RpcError('INVALID_ARGUMENT', `The outputs are refused: ${why}.`)
}
