import type { ByteSource, ObjectStore } from '../../spellfs/object-store.js'
import { requestedObjectName } from '../../spellfs/paths.js'

export interface CodeObjectsSettings {
  /** Of one object; larger ones are refused with RESOURCE_EXHAUSTED. */
  readonly maxObjectBytes: number
}

/** Objects that requests refer to by hash: `code/<sha256>`. What is under such a name always hashes to it. */
export class CodeObjects {
  readonly #store: ObjectStore
  readonly #settings: CodeObjectsSettings

  constructor(store: ObjectStore, settings: CodeObjectsSettings) {
    this.#store = store
    this.#settings = settings
  }

  async has(name: string): Promise<boolean> {
    return (await this.#store.head(requestedObjectName(name))) !== undefined
  }

  /** Resolves when the object is durable. DATA_LOSS: the bytes do not hash to the name. Safe to repeat. */
  async put(name: string, bytes: ByteSource, signal: AbortSignal): Promise<void> {
    const sha256 = name.slice('code/'.length)
    const maxBytes = this.#settings.maxObjectBytes
    await this.#store.put(requestedObjectName(name), bytes, { sha256, maxBytes, signal })
  }

  /** NOT_FOUND for an object that is not there. */
  read(name: string): AsyncIterable<Buffer> {
    return this.#store.read(requestedObjectName(name))
  }
}
