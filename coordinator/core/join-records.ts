/** What may join with a token. */
export type JoinKind = 'node' | 'coordinator'

/** `join-token/<sha256 in hex>`; removed when it is over. */
export interface JoinTokenRecord {
  readonly sha256: string
  readonly kind: JoinKind
  /** How many keys may join with it, and how many have. */
  readonly uses: number
  readonly spent: number
  readonly createdAtMs: number
  readonly expiresAtMs: number
  readonly creator: string
  /** That nodes which join with it will be; empty: whatever their machines are. */
  readonly machineType: string
}

/**
 * `membership/<holder>`: who has joined the cluster, and who was removed from it. Those whose certificates came with the
 * cluster itself have none until they are removed.
 */
export interface Membership {
  /** `node:<id>` or `coordinator:<id>`: the common name of its certificates. */
  readonly holder: string
  readonly name: string
  /** Of the key that its certificates are for, as DER, and of the token that it came with; empty: it has not joined. */
  readonly publicKeySha256: string
  readonly tokenSha256: string
  readonly machineId: string
  /** Empty: whatever the machine is. */
  readonly machineType: string
  readonly joinedAtMs: number
  /** 0 while it is a member. Whoever was removed never comes back under this name. */
  readonly removedAtMs: number
}
