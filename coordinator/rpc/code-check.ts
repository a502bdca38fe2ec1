import { LRUCache } from 'lru-cache'
import type { RunSpec } from '../../proto/model/run-spec.js'
import type { CodeObjects } from '../files/code-objects.js'

/** Packs that are known to be in the store; nothing removes one. */
const remembered = 10_000

/** Whether the code that a run names has arrived. */
export class CodeCheck {
  readonly #objects: Pick<CodeObjects, 'has'>
  readonly #there = new LRUCache<string, true>({ max: remembered })

  constructor(objects: Pick<CodeObjects, 'has'>) {
    this.#objects = objects
  }

  /** true without a wait; false: `refusal` has to be asked. */
  allows({ code }: RunSpec): boolean {
    return code.kind !== 'synced' || this.#there.has(code.packSha256)
  }

  async refusal({ code }: RunSpec): Promise<string | undefined> {
    if (code.kind !== 'synced') return undefined
    const name = `code/${code.packSha256}`
    // While the store is away runs are accepted; one whose code is missing says so when it is built.
    const present = await this.#objects.has(name).catch(() => undefined)
    if (present) this.#there.set(code.packSha256, true)
    return present === false
      ? `The store does not have ${name}: send it with Files.PutObject first.`
      : undefined
  }
}
