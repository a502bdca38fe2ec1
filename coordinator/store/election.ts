import { z } from 'zod'
import { backoffMs } from '../../common/backoff.js'
import { messageOf, RpcError, status } from '../../common/errors.js'
import type { Random } from '../../common/random.js'
import { unchanged } from './compare.js'
import { type Compare, EtcdError, type Put, readKey } from './etcd.js'
import type { Keys } from './keys.js'
import { type LeaderWatch, leaderToValue } from './leader-watch.js'
import { Leadership, type LeadershipParts } from './leadership.js'
import { makeSpace } from './make-space.js'

// The election is one transaction over one key that hangs on the candidate's lease: whoever creates the key has won, and
// the same transaction moves the counter of terms. A candidate leads only after it has read the key back with its own
// lease on it; the key's create revision, which no other leader's key can share, then fences every write of the term.

export interface ElectionSettings {
  readonly id: string
  readonly userAddress: string
  readonly agentAddress: string
  /** At least 5 outside of tests; etcd rounds up what is less than its own election's 1.5 times. */
  readonly leaseTtlSeconds: number
  /** etcd's --quota-backend-bytes. */
  readonly quotaBytes: number
}

export interface ElectionParts extends LeadershipParts {
  readonly keys: Keys
  readonly random: Random
  readonly leaderWatch: LeaderWatch
  /** Makes the generation's name: once in the life of a cluster, and when a backup was restored. */
  makeGeneration(): string
}

interface Candidacy {
  readonly leaseId: string
  readonly sentAt: number
  readonly ttlMs: number
}

const termValue = z.object({ v: z.literal(1), term: z.number().int() })
/** Without `etcdCluster`: written by a version that did not look. */
const generationValue = z.object({ v: z.literal(1), id: z.string(), etcdCluster: z.string().optional() })

export class Election {
  readonly #settings: ElectionSettings
  readonly #parts: ElectionParts

  constructor(settings: ElectionSettings, parts: ElectionParts) {
    this.#settings = settings
    this.#parts = parts
  }

  /**
   * Waits until nobody leads and wins, however long it takes. The Leadership is already being renewed; end it with
   * `resign`. Rejects with the signal's reason only.
   */
  async campaign(signal: AbortSignal): Promise<Leadership> {
    const { clock, leaderWatch, log, random } = this.#parts
    for (let attempt = 0; ; ) {
      await leaderWatch.vacant(signal)
      const leadership = await this.#tryToWin().catch((error: unknown) => {
        if (!(error instanceof EtcdError)) throw error
        log.warn('Could not stand for election; trying again', { reason: error.message })
        return error
      })
      if (leadership instanceof EtcdError) await this.#makeSpaceAfter(leadership)
      if (leadership instanceof Leadership) {
        if (!signal.aborted) return leadership
        await leadership.resign()
      }
      // Who has lost waits for the winner's end; only trouble with etcd makes the waits grow.
      attempt = leadership instanceof EtcdError ? attempt + 1 : 0
      await clock.sleep(backoffMs({ firstMs: 20, maxMs: 1000 }, attempt, random), signal)
    }
  }

  /** Making space is the leader's business. But over its quota etcd grants no lease, and without one nobody leads. */
  async #makeSpaceAfter({ code }: EtcdError): Promise<void> {
    if (code !== status.RESOURCE_EXHAUSTED) return
    const { etcd, log } = this.#parts
    log.error('The database is over its quota and nobody leads: making space')
    await makeSpace(etcd, this.#settings.quotaBytes).catch((error: unknown) => {
      log.warn('No space could be made; trying again', { reason: messageOf(error) })
    })
  }

  async #tryToWin(): Promise<Leadership | undefined> {
    const { clock, etcd, failpoints } = this.#parts
    const seconds = this.#settings.leaseTtlSeconds
    failpoints.reach('take-over.before-grant')
    const sentAt = clock.monotonic()
    const { leaseId, ttlSeconds } = await etcd.grantLease(seconds)
    failpoints.reach('take-over.after-grant')
    const candidacy = { leaseId, sentAt, ttlMs: Math.min(seconds, ttlSeconds) * 1000 }
    let leadership: Leadership | undefined
    try {
      leadership = await this.#stand(candidacy)
      return leadership
    } finally {
      // A transaction that is still on its way can't win either once its lease is gone.
      if (!leadership) await etcd.revokeLease(leaseId).catch(ignoreEtcdTrouble)
    }
  }

  async #stand(candidacy: Candidacy): Promise<Leadership | undefined> {
    const { etcd, failpoints, keys } = this.#parts
    const { clusterId } = await etcd.status()
    const seen = await etcd.transact({ compares: [], reads: [keys.leader, keys.term, keys.generation] })
    const [leader, termEntry, generationEntry] = seen.entries
    if (leader) return undefined
    const term = 1 + (termEntry ? termValue.parse(JSON.parse(termEntry.value)).term : 0)
    const { generation, puts: generationPuts } = this.#generation(generationEntry?.value, clusterId)
    const compares: Compare[] = [
      { kind: 'createRevision', key: keys.leader, equals: 0 },
      unchanged(keys.term, termEntry?.value),
      unchanged(keys.generation, generationEntry?.value),
    ]
    const puts: Put[] = [
      { key: keys.leader, value: leaderToValue({ ...this.#settings, term }), leaseId: candidacy.leaseId },
      { key: keys.term, value: JSON.stringify({ v: 1, term }) },
      ...generationPuts,
    ]
    failpoints.reach('take-over.before-win')
    // Whatever the answer, or without one: what counts is whose lease the key hangs on when it is read back.
    await etcd.transact({ compares, puts }).catch(ignoreEtcdTrouble)
    failpoints.reach('take-over.after-win')
    return this.#readBack(candidacy, { term, generation })
  }

  /**
   * An etcd that was made from a backup has another cluster's id than the one in which the generation was written. Then
   * terms and ids may have been used that nothing here knows of: a new generation begins, and says so until repaired.
   */
  #generation(
    stored: string | undefined,
    etcdCluster: string,
  ): { readonly generation: string; readonly puts: readonly Put[] } {
    const { keys, makeGeneration } = this.#parts
    const before = stored === undefined ? undefined : generationValue.parse(JSON.parse(stored))
    if (before?.etcdCluster === etcdCluster) return { generation: before.id, puts: [] }
    const isRestored = before?.etcdCluster !== undefined
    const generation = before && !isRestored ? before.id : makeGeneration()
    const puts = [{ key: keys.generation, value: JSON.stringify({ v: 1, id: generation, etcdCluster }) }]
    if (isRestored) puts.push({ key: keys.restored, value: JSON.stringify({ v: 1, generation }) })
    return { generation, puts }
  }

  async #readBack(
    candidacy: Candidacy,
    won: { readonly term: number; readonly generation: string },
  ): Promise<Leadership | undefined> {
    const { etcd, failpoints, keys, leaderWatch, log } = this.#parts
    const { entry } = await readKey(etcd, keys.leader)
    failpoints.reach('take-over.after-read-back')
    if (entry?.leaseId !== candidacy.leaseId) return undefined
    const { createRevision } = entry
    const { leaseId, sentAt, ttlMs } = candidacy
    const leadership = new Leadership({ ...won, leaseId, createRevision }, { ttlMs }, this.#parts, sentAt)
    const unsubscribe = leaderWatch.onRead(({ leader, revision }) => {
      // A read from before the election was won says nothing about it.
      if (revision < createRevision || leader?.createRevision === createRevision) return
      leadership.lose(leader ? `${leader.id} leads` : 'its election key is gone')
    })
    leadership.signal.addEventListener('abort', unsubscribe, { once: true })
    if (!leadership.isLeading()) return undefined
    log.info('This coordinator leads', { term: won.term, generation: won.generation })
    return leadership
  }
}

function ignoreEtcdTrouble(error: unknown): void {
  if (!(error instanceof EtcdError)) throw error
}

/** For whoever is asked and doesn't lead, when nobody is known to. */
export function noLeader(): RpcError {
  return new RpcError('UNAVAILABLE', 'No coordinator leads at the moment; one will within seconds.', {
    trailers: { 'retry-after-ms': '500' },
  })
}
