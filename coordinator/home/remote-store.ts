import type { DeleteAllResponse__Output } from '../../proto/gen/spell/v1/DeleteAllResponse.js'
import type { DeleteResponse__Output } from '../../proto/gen/spell/v1/DeleteResponse.js'
import type { HeadResponse__Output } from '../../proto/gen/spell/v1/HeadResponse.js'
import type { ListStoredResponse__Output } from '../../proto/gen/spell/v1/ListStoredResponse.js'
import type { PutDone__Output } from '../../proto/gen/spell/v1/PutDone.js'
import type { SettleResponse__Output } from '../../proto/gen/spell/v1/SettleResponse.js'
import type { StoredBytes__Output } from '../../proto/gen/spell/v1/StoredBytes.js'
import { type Method, method } from '../../proto/wire.js'
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
} from '../../spellfs/object-store.js'
import type { HomeChannel } from './home-channel.js'
import type { ActingLeader } from './leader-fence.js'

const put: Method<unknown, PutDone__Output> = method('StoredObjects', 'Put')
const stage: Method<unknown, PutDone__Output> = method('StoredObjects', 'Stage')
const settle: Method<unknown, SettleResponse__Output> = method('StoredObjects', 'Settle')
const readObject: Method<unknown, StoredBytes__Output> = method('StoredObjects', 'Read')
const head: Method<unknown, HeadResponse__Output> = method('StoredObjects', 'Head')
const list: Method<unknown, ListStoredResponse__Output> = method('StoredObjects', 'List')
const deleteOne: Method<unknown, DeleteResponse__Output> = method('StoredObjects', 'Delete')
const deleteAll: Method<unknown, DeleteAllResponse__Output> = method('StoredObjects', 'DeleteAll')

const pieceBytes = 256 * 1024

/**
 * The object store of another coordinator, its home. Errors are those of the store there; while that coordinator is away,
 * UNAVAILABLE. Nothing is tried again here: `put` is all or nothing there, so whoever asks may repeat it.
 */
export class RemoteStore implements ObjectStore {
  readonly #home: HomeChannel
  readonly #leader: () => ActingLeader
  /** What was staged and not settled yet: by which start of the home. */
  readonly #staged = new Map<string, string>()

  /** `leader`: on whose behalf it is changed: this coordinator in its newest term. */
  constructor(home: HomeChannel, leader: () => ActingLeader) {
    this.#home = home
    this.#leader = leader
  }

  async put(name: string, bytes: ByteSource, options: PutOptions = {}): Promise<StoredObject> {
    const { sizeBytes, sha256 } = await this.#send(put, name, bytes, options)
    return { sizeBytes, sha256 }
  }

  async stage(name: string, bytes: ByteSource, options: PutOptions = {}): Promise<StoredObject> {
    const { sizeBytes, sha256, homeId } = await this.#send(stage, name, bytes, options)
    this.#staged.set(name, homeId)
    return { sizeBytes, sha256 }
  }

  async settle(prefix: string): Promise<void> {
    checkObjectName(prefix)
    const staged = [...this.#staged].filter(([name]) => name.startsWith(`${prefix}/`))
    const homeIds = [...new Set(staged.map(([, homeId]) => homeId))]
    await this.#home.callPatiently(settle, { prefix, homeIds })
    for (const [name, homeId] of staged) if (this.#staged.get(name) === homeId) this.#staged.delete(name)
  }

  async *read(name: string, { offset, length }: ByteRange = { offset: 0 }): AsyncIterable<Buffer> {
    checkObjectName(name)
    const range = length !== undefined && Number.isFinite(length) ? { offset, length } : { offset }
    for await (const { data } of this.#home.stream(readObject, { name, ...range })) yield data
  }

  async head(name: string): Promise<ObjectHead | undefined> {
    checkObjectName(name)
    const found = (await this.#home.call(head, { name })).head
    return found ? { sizeBytes: found.sizeBytes, modifiedAtMs: found.modifiedAtMs } : undefined
  }

  async list(prefix: string, { after, limit }: ListPage): Promise<ObjectPage> {
    if (prefix !== '') checkObjectName(prefix)
    const objects: ObjectPage['objects'][number][] = []
    for (let last = after ?? ''; ; last = objects.at(-1)?.name ?? '') {
      const page = await this.#home.call(list, { prefix, after: last, limit: limit - objects.length })
      objects.push(...page.objects)
      if (!page.more || objects.length >= limit) return { objects, more: page.more }
    }
  }

  async delete(name: string): Promise<void> {
    checkObjectName(name)
    await this.#home.call(deleteOne, { name, leader: this.#leader() })
    this.#staged.delete(name)
  }

  async deleteAll(prefix: string): Promise<void> {
    checkObjectName(prefix)
    await this.#home.callPatiently(deleteAll, { prefix, leader: this.#leader() })
    for (const name of this.#staged.keys()) if (name.startsWith(`${prefix}/`)) this.#staged.delete(name)
  }

  async #send(
    how: Method<unknown, PutDone__Output>,
    name: string,
    bytes: ByteSource,
    { sha256, maxBytes, signal }: PutOptions,
  ): Promise<PutDone__Output> {
    checkObjectName(name)
    signal?.throwIfAborted()
    const explained = <Result>(ask: () => Promise<Result>) => this.#home.explained(ask, signal)
    const upload = await explained(async () =>
      (await this.#home.connected()).clientStream(how, signal ? { signal } : {}),
    )
    try {
      let first: object | undefined = { name, sha256: sha256 ?? '', maxBytes, leader: this.#leader() }
      for await (const data of piecesOf(bytes)) {
        const part = first ? { head: first, data } : { data }
        first = undefined
        await explained(() => upload.write(part))
      }
      if (first) await explained(() => upload.write({ head: first }))
      return await explained(() => upload.finish())
    } catch (error) {
      upload.cancel()
      throw error
    }
  }
}

/** None is too large for a message. */
async function* piecesOf(bytes: ByteSource): AsyncGenerator<Uint8Array> {
  if (bytes instanceof Uint8Array) yield* cut(bytes)
  else for await (const piece of bytes) yield* cut(piece)
}

function* cut(piece: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < piece.length; at += pieceBytes) yield piece.subarray(at, at + pieceBytes)
}
