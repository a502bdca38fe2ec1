// The little of etcd that Spell uses. Keys and values are text; revisions fit a number; lease ids, being 63 random bits,
// are decimal strings. Every call has a deadline and none is ever sent twice by itself: a transaction that was sent and
// not answered may have happened, and only the caller knows how to find out.

export interface Entry {
  readonly key: string
  readonly value: string
  readonly createRevision: number
  readonly modRevision: number
  /** Missing when the key hangs on no lease. */
  readonly leaseId?: string
}

export interface Put {
  readonly key: string
  readonly value: string
  readonly leaseId?: string
}

/** `createRevision` 0 holds for a key that doesn't exist. */
export type Compare =
  | { readonly kind: 'createRevision'; readonly key: string; readonly equals: number }
  | { readonly kind: 'value'; readonly key: string; readonly equals: string }

export interface Transaction {
  readonly compares: readonly Compare[]
  /** Done when every compare holds; no key may come twice among puts and deletes. */
  readonly puts?: readonly Put[]
  readonly deletes?: readonly string[]
  /** Keys read after the puts and deletes when every compare holds. They count as operations. */
  readonly reads?: readonly string[]
  /** Keys read when a compare failed, at the same revision as the compares. */
  readonly readsInstead?: readonly string[]
}

export interface TransactionAnswer {
  readonly succeeded: boolean
  readonly revision: number
  /** What the branch taken read, in the order asked for; undefined for a key that doesn't exist. */
  readonly entries: readonly (Entry | undefined)[]
}

export interface RangeQuery {
  /** All keys that begin with this. */
  readonly prefix: string
  /** Where to go on: the smallest key wanted. */
  readonly from?: string
  /** Read as of this revision; the newest when left out. */
  readonly revision?: number
  /** At most so many keys in the answer. */
  readonly limit: number
}

export interface RangePage {
  readonly entries: readonly Entry[]
  /** What `from` has to be for the next page; missing on the last. */
  readonly next?: string
  /** The revision that the cluster was at. */
  readonly revision: number
}

export interface EtcdStatus {
  readonly version: string
  /** Size of the database's file, bytes. etcd compares this with its quota. */
  readonly fileBytes: number
  /** Bytes of the file that hold something. */
  readonly usedBytes: number
  readonly revision: number
  /** Made anew whenever a snapshot is restored with a new token, as `spell cluster restore` does; a decimal string. */
  readonly clusterId: string
  /** It has reached its quota once and refuses writes until `allowWrites`. */
  readonly outOfSpace: boolean
}

export interface CallOptions {
  /** Instead of the client's own deadline. */
  readonly timeoutMs?: number
}

/** Calls reject with EtcdError only. */
export interface Etcd {
  range(query: RangeQuery, options?: CallOptions): Promise<RangePage>
  transact(transaction: Transaction, options?: CallOptions): Promise<TransactionAnswer>
  /** etcd may grant a longer time to live than was asked for, never a shorter one. */
  grantLease(
    ttlSeconds: number,
    options?: CallOptions,
  ): Promise<{ readonly leaseId: string; readonly ttlSeconds: number }>
  /** Renews once and resolves to the time to live in seconds; 0 when the lease is gone. */
  keepLeaseAlive(leaseId: string, options?: CallOptions): Promise<number>
  /** Ends the lease and deletes its keys. A lease that is gone already is no error. */
  revokeLease(leaseId: string, options?: CallOptions): Promise<void>
  status(options?: CallOptions): Promise<EtcdStatus>
  /** Forgets all history before `revision`, its pages free when it resolves. One that is compacted already is no error. */
  compact(revision: number, options?: CallOptions): Promise<void>
  /**
   * Gives free pages of the database's file back, of the one member that is called. It answers nothing meanwhile (about a
   * second a GB).
   */
  defragment(options?: CallOptions): Promise<void>
  /** Takes "no space" back after space was made. */
  allowWrites(options?: CallOptions): Promise<void>
  /**
   * The whole database at one moment that is not before the call, as a file that `etcdctl snapshot restore` takes: its hash
   * stands at its end. All keys of that etcd are in it, whatever their prefix.
   */
  snapshot(signal: AbortSignal): AsyncIterable<Buffer>
  /** Calls `wake` when it begins to watch, whenever `key` changes, and after every break: it says "read again", not what is. */
  watch(key: string, wake: () => void): Watch
  /** Ends every call and connection. */
  close(): void
}

export interface Watch {
  /** Safe to call twice. */
  stop(): void
}

/**
 * `refused`: etcd said no and nothing has happened. `unknown`: it may or may not have happened, now or a little later:
 * a timeout, a cut connection, a member that lost its leader, and "no space", which etcd also says after it has done it.
 */
export type EtcdOutcome = 'refused' | 'unknown'

export class EtcdError extends Error {
  readonly outcome: EtcdOutcome
  /** gRPC status code, a number. */
  readonly code: number

  constructor(outcome: EtcdOutcome, code: number, message: string, cause: unknown) {
    super(message, { cause })
    this.name = 'EtcdError'
    this.outcome = outcome
    this.code = code
  }
}

/** One key, read linearizably, with the revision it was read at. */
export async function readKey(
  etcd: Etcd,
  key: string,
  options?: CallOptions,
): Promise<{ readonly entry: Entry | undefined; readonly revision: number }> {
  const answer = await etcd.transact({ compares: [], reads: [key] }, options)
  return { entry: answer.entries[0], revision: answer.revision }
}
