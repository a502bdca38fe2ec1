/** What files need to know of runs; the leader answers it from its memory, or from the archive. */
export interface RunRecords {
  /** NOT_FOUND ("no run 77; the newest is 12") for a run that never was. */
  outputsOf(runId: number): Promise<RunOutputs>
  /** At most `limit` ids below `before` (undefined: from the newest on), newest first. */
  newestIds(before: number | undefined, limit: number): Promise<readonly number[]>
}

export interface RunOutputs {
  /** The attempt whose outputs the record names. */
  readonly attempt: number
  /** Hex; undefined while nothing is saved, or when there was nothing to save. */
  readonly manifestSha256: string | undefined
  readonly finished: boolean
  readonly createdAtMs: number
}
