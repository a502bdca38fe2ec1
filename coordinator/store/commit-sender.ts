import { backoffMs } from '../../common/backoff.js'
import type { Clock } from '../../common/clock.js'
import { messageOf } from '../../common/errors.js'
import type { Failpoints } from '../../common/failpoint.js'
import type { Log } from '../../common/log.js'
import type { Random } from '../../common/random.js'
import type { Batch } from './commit-batch.js'
import { type CommitRecord, commitRecordToValue } from './commit-record.js'
import { unchanged } from './compare.js'
import type { Entry, Etcd, Put, Transaction } from './etcd.js'
import { EtcdError } from './etcd.js'
import type { Keys } from './keys.js'
import type { Leadership } from './leadership.js'

// Each transaction compares two things: that the election key is still this leader's, and that the commit record is the
// one before. A failed compare, a timeout and a cut connection all mean the same, that the outcome is unknown; then the
// commit record decides:
//
//   it holds this transaction's (term, number)   done
//   it holds the one before, and we lead          send the same transaction again
//   anything else                                 another leads: step down
//
// A first sending that arrives after the second does no harm: its compare on the commit record fails.

export interface CommitSenderParts {
  readonly etcd: Etcd
  readonly keys: Keys
  readonly leadership: Leadership
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly failpoints: Failpoints
}

/** The commit record as it is in etcd, letter by letter, and what it says. */
export interface StoredCommit {
  readonly value: string | undefined
  readonly record: CommitRecord
}

type Verdict = 'done' | 'again' | 'lost'

export class CommitSender {
  readonly #parts: CommitSenderParts
  #stored: StoredCommit
  unknownOutcomes = 0

  constructor(parts: CommitSenderParts, stored: StoredCommit) {
    this.#parts = parts
    this.#stored = stored
  }

  /** Resolves when the batch is in etcd, however often it takes; rejects with the reason when leadership is over. */
  async commit(batch: Batch): Promise<void> {
    const { clock, failpoints, leadership, random } = this.#parts
    const next = this.#next()
    const transaction = this.#transaction(batch, next)
    for (let attempt = 0; ; attempt += 1) {
      leadership.assertLeading()
      failpoints.reach('commit.before-send')
      const verdict = await this.#send(transaction, next)
      if (verdict === 'done') break
      if (verdict === 'lost') leadership.lose('another coordinator has written since')
      leadership.assertLeading()
      await clock.sleep(backoffMs({ firstMs: 10, maxMs: 1000 }, attempt, random), leadership.signal)
    }
    failpoints.reach('commit.after-answer')
    this.#stored = next
  }

  #next(): StoredCommit & { readonly value: string } {
    const record = { term: this.#parts.leadership.term, number: this.#stored.record.number + 1 }
    return { record, value: commitRecordToValue(record) }
  }

  #transaction(batch: Batch, next: StoredCommit & { readonly value: string }): Transaction {
    const { keys, leadership } = this.#parts
    const puts: Put[] = [{ key: keys.commit, value: next.value }]
    const deletes: string[] = []
    for (const { key, value, leaseId } of batch.operations.values()) {
      if (value === undefined) deletes.push(key)
      else puts.push(leaseId === undefined ? { key, value } : { key, value, leaseId })
    }
    return {
      compares: [
        { kind: 'createRevision', key: keys.leader, equals: leadership.createRevision },
        unchanged(keys.commit, this.#stored.value),
      ],
      puts,
      deletes,
      readsInstead: [keys.commit, keys.leader],
    }
  }

  async #send(transaction: Transaction, next: StoredCommit): Promise<Verdict> {
    const { etcd, leadership, log } = this.#parts
    try {
      const answer = await etcd.transact(transaction)
      if (answer.succeeded) return 'done'
      this.unknownOutcomes += 1
      return this.#judge(answer.entries, next)
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error
      if (error.outcome === 'refused') {
        log.error('etcd refuses a transaction', { error })
        leadership.lose(`etcd refuses to store its changes (${messageOf(error)})`)
        return 'lost'
      }
      this.unknownOutcomes += 1
      log.warn('The outcome of a transaction is unknown; reading the commit record', {
        reason: messageOf(error),
      })
    }
    return this.#resolve(next)
  }

  /** Reads until it knows, for as long as leadership lasts. */
  async #resolve(next: StoredCommit): Promise<Verdict> {
    const { clock, etcd, failpoints, keys, leadership, random } = this.#parts
    for (let attempt = 0; ; attempt += 1) {
      leadership.assertLeading()
      failpoints.reach('commit.before-resolve')
      try {
        const answer = await etcd.transact({ compares: [], reads: [keys.commit, keys.leader] })
        failpoints.reach('commit.after-resolve')
        return this.#judge(answer.entries, next)
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error
        await clock.sleep(backoffMs({ firstMs: 20, maxMs: 1000 }, attempt, random), leadership.signal)
      }
    }
  }

  #judge([commit, leader]: readonly (Entry | undefined)[], next: StoredCommit): Verdict {
    if (commit?.value === next.value) return 'done'
    const unchangedSince = commit?.value === this.#stored.value
    const ours = leader?.createRevision === this.#parts.leadership.createRevision
    return unchangedSince && ours ? 'again' : 'lost'
  }
}
