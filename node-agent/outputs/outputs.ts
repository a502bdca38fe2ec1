import type { OutputPart } from '../../proto/model/files.js'

export interface ScanOptions {
  /** Host folder that is `/spell` in the run. */
  readonly spellFolder: string
  /** Base name of the repository's folder in it; undefined without a repository (or when it is `/spell` itself). */
  readonly repositoryName: string | undefined
  readonly baselineFile: string
}

/** What an ended run has made, found by comparing with the baseline. */
export interface OutputList {
  readonly count: number
  readonly totalBytes: number
  /** About what is not saved, or under another name; for the run's log. */
  readonly lines: readonly string[]
}

export interface SavedOutputs {
  /** Hex; what the leader must answer. */
  readonly manifestSha256: string
  readonly files: number
  readonly totalBytes: number
  readonly lines: readonly string[]
}

/** Finds new and changed files. The run may still write, swap and remove what it likes meanwhile. */
export async function scanOutputs(_options: ScanOptions, _signal: AbortSignal): Promise<OutputList> {
  throw new Error('Not written yet')
}

/**
 * Sends every file of the list, then the manifest, each part at most 256 KiB of data; waits for each `send`. To be
 * called only for a list that isn't empty; after trouble both can simply be repeated from the scan on.
 */
export async function sendOutputs(
  _list: OutputList,
  _send: (part: OutputPart) => Promise<void>,
  _signal: AbortSignal,
): Promise<SavedOutputs> {
  throw new Error('Not written yet')
}
