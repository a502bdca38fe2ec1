import { chmod, lchown, mkdir, rm } from 'node:fs/promises'
import { RpcError } from '../../common/errors.js'
import type { Code } from '../../proto/model/run-spec.js'
import { makeBaseline, type Owner, type TrackedFile, writeBaseline } from '../outputs/baseline.js'
import { checkOut } from './checkout.js'
import type { CodeCache, FetchObject } from './code-cache.js'
import type { SyncedCode } from './pristine.js'

export interface PlaceCodeOptions {
  readonly code: Code
  /** Host folder that becomes `/spell`; made here. What an earlier try left in it is removed. */
  readonly spellFolder: string
  /** Where the list of what was there before the run is kept, out of the run's reach; read by `scanOutputs`. */
  readonly baselineFile: string
  /** Who `/spell` and all in it belongs to; undefined: the agent's own user. */
  readonly owner: Owner | undefined
  /** The bytes of object `code/<sha256>`, from the leader. Called only when the pack is not here yet. */
  readonly fetch: FetchObject
  /** More than this in files is refused with RESOURCE_EXHAUSTED; 0: no limit. */
  readonly diskBytes: number
}

/**
 * Makes `/spell` as the run will find it: the checkout with its `.git`, the working directory, everything owned by
 * `owner`, and writes the baseline. Safe to repeat until the run has started. Returns the working directory relative to
 * `/spell`, empty for `/spell` itself.
 */
export async function placeCode(
  options: PlaceCodeOptions,
  cache: CodeCache,
  signal: AbortSignal,
): Promise<string> {
  const { code, spellFolder, owner } = options
  await rm(spellFolder, { recursive: true, force: true })
  await mkdir(spellFolder, { recursive: true })
  await chmod(spellFolder, 0o755)
  const tracked = await place(options, cache, signal)
  if (owner) await lchown(spellFolder, owner.uid, owner.gid)
  await writeBaseline(options.baselineFile, await makeBaseline({ spellFolder, tracked, owner }, signal))
  return code.kind === 'synced' ? workingDirectoryOf(code) : ''
}

async function place(
  { code, spellFolder, fetch, diskBytes }: PlaceCodeOptions,
  cache: CodeCache,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TrackedFile>> {
  switch (code.kind) {
    case 'none':
      return new Map()
    case 'git':
      throw new RpcError('UNIMPLEMENTED', 'Code from a URL is not supported yet.')
    case 'synced': {
      const lease = await cache.open(code, fetch, signal)
      try {
        return await checkOut(lease.pristine, { code, spellFolder, diskBytes, signal })
      } finally {
        lease.release()
      }
    }
  }
}

function workingDirectoryOf({ repositoryName, workingDirectory }: SyncedCode): string {
  return workingDirectory === '' ? repositoryName : `${repositoryName}/${workingDirectory}`
}
