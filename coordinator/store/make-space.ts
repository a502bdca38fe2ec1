import type { Etcd } from './etcd.js'

/** Writes are let in again when the file is below this share of the quota: else it would be over it at once. */
const fullShare = 0.9

/**
 * etcd is over its quota and refuses every write, leases too, until somebody has made space and said so: history is
 * forgotten, the file rewritten. Safe to do twice, and by several at a time. Rejects with EtcdError.
 */
export async function makeSpace(etcd: Etcd, quotaBytes: number): Promise<void> {
  await etcd.compact((await etcd.status()).revision)
  await etcd.defragment()
  if ((await etcd.status()).fileBytes < quotaBytes * fullShare) await etcd.allowWrites()
}
