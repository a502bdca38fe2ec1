/** One call that changed something or was refused: who, what, and to what. Never a command, a value of a variable or a token. */
export interface AuditEntry {
  /** Leader's wall clock, milliseconds since 1970. */
  readonly atMs: number
  /** Empty: nobody that the cluster knows. */
  readonly user: string
  /** `Service/Method` */
  readonly method: string
  /** Name of a gRPC status. */
  readonly status: string
  /** `host:port` that the call came from. */
  readonly address: string
  /** The coordinator that passed it on; empty: it came straight here. */
  readonly via: string
  /** Ids and names in the call and in its answer. */
  readonly about: Readonly<Record<string, string>>
  /** Why it was refused; empty for what was not. */
  readonly reason: string
  /** How many more were refused since the line before and have none of their own. */
  readonly more: number
}

export function entryToLine({ atMs, ...rest }: AuditEntry): string {
  return `${JSON.stringify({ time: new Date(atMs).toISOString(), ...rest })}\n`
}

/** Undefined for a line that a crash has cut off. */
export function entryFromLine(line: string): AuditEntry | undefined {
  try {
    const { time, ...rest } = JSON.parse(line) as Omit<AuditEntry, 'atMs'> & { readonly time: string }
    return { ...rest, atMs: Date.parse(time) }
  } catch {
    return undefined
  }
}
