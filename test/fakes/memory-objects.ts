import { createHash } from 'node:crypto'
import { RpcError } from '../../common/errors.js'
import type {
  ByteSource,
  ListPage,
  ObjectPage,
  ObjectStore,
  StoredObject,
} from '../../spellfs/object-store.js'

/** An object store in a map that can go away; only what the archive uses of one. */
export class MemoryObjects implements Pick<ObjectStore, 'put' | 'read' | 'list'> {
  readonly objects = new Map<string, Buffer>()
  away = false
  reads = 0

  async put(name: string, source: ByteSource): Promise<StoredObject> {
    this.#check()
    const parts: Uint8Array[] = []
    if (source instanceof Uint8Array) parts.push(source)
    else for await (const part of source) parts.push(part)
    const bytes = Buffer.concat(parts)
    this.objects.set(name, bytes)
    return { sizeBytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
  }

  async *read(name: string): AsyncIterable<Buffer> {
    this.#check()
    this.reads += 1
    const bytes = this.objects.get(name)
    if (!bytes) throw new RpcError('NOT_FOUND', `There is no object ${name}.`)
    yield bytes
  }

  async list(prefix: string, { after, limit }: ListPage): Promise<ObjectPage> {
    this.#check()
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(`${prefix}/`) && name > (after ?? ''))
      .sort()
    const objects = names
      .slice(0, limit)
      .map((name) => ({ name, sizeBytes: this.objects.get(name)?.length ?? 0, modifiedAtMs: 0 }))
    return { objects, more: names.length > limit }
  }

  #check(): void {
    if (this.away) throw new RpcError('UNAVAILABLE', 'The store is away.')
  }
}
