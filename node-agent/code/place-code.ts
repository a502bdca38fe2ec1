import type { Code } from '../../proto/model/run-spec.js'
import type { CodeCache } from './code-cache.js'

export interface PlaceCodeOptions {
  readonly code: Code
  /** Host folder that becomes `/spell`; made here. What an earlier try left in it is removed. */
  readonly spellFolder: string
  /** Where the list of what was there before the run is kept, out of the run's reach; read by `scanOutputs`. */
  readonly baselineFile: string
  /** Who `/spell` and all in it belongs to; undefined: the agent's own user. */
  readonly owner: { readonly uid: number; readonly gid: number } | undefined
  /** The bytes of object `code/<sha256>`, from the leader. Called only when the pack is not here yet. */
  readonly fetch: (name: string, signal: AbortSignal) => AsyncIterable<Uint8Array>
  /** More than this in files is refused with RESOURCE_EXHAUSTED; 0: no limit. */
  readonly diskBytes: number
}

/**
 * Makes `/spell` as the run will find it: the checkout with its `.git`, the working directory, everything owned by
 * `owner`, and writes the baseline. Safe to repeat until the run has started. Returns the working directory relative to
 * `/spell`, empty for `/spell` itself.
 */
export async function placeCode(
  _options: PlaceCodeOptions,
  _cache: CodeCache,
  _signal: AbortSignal,
): Promise<string> {
  throw new Error('Not written yet')
}
