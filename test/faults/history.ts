import { commitRecordFromValue } from '../../coordinator/store/commit-record.js'
import type { Etcd } from '../../coordinator/store/etcd.js'
import { makeKeys, parseRunKey } from '../../coordinator/store/keys.js'
import { loadPrefix } from '../../coordinator/store/load.js'

export interface History {
  /** Broken promises, each a sentence. */
  readonly faults: readonly string[]
  readonly transactions: number
  readonly terms: readonly number[]
  readonly newestRun: number
}

/**
 * Goes through every revision that etcd has had: commits are numbered without gap, each was written while the election key
 * of its own term stood, run ids have no gap, and no record was written a second time. Needs a history not compacted.
 */
export async function checkHistory(etcd: Etcd, prefix: string): Promise<History> {
  const keys = makeKeys(prefix)
  const faults: string[] = []
  const terms = new Set<number>()
  const { revision: newest } = await etcd.range({ prefix, limit: 1 })
  let last = commitRecordFromValue(undefined)
  for (let revision = 2; revision <= newest; revision += 1) {
    const [commit] = (await etcd.range({ prefix: keys.commit, limit: 1, revision })).entries
    if (commit?.modRevision !== revision) continue
    const record = commitRecordFromValue(commit.value)
    if (record.number !== last.number + 1) faults.push(`commit ${record.number} follows ${last.number}`)
    if (record.term < last.term) faults.push(`term ${record.term} wrote after term ${last.term}`)
    const [leader] = (await etcd.range({ prefix: keys.leader, limit: 1, revision })).entries
    const leaderTerm: unknown = leader && JSON.parse(leader.value).term
    if (leaderTerm !== record.term) faults.push(`term ${record.term} wrote while ${leaderTerm} led`)
    terms.add(record.term)
    last = record
  }
  const { runs, newestRun } = await checkRuns(etcd, keys, faults)
  if (runs !== newestRun * 2) faults.push(`${runs} records of ${newestRun} runs`)
  return { faults, transactions: last.number, terms: [...terms], newestRun }
}

async function checkRuns(etcd: Etcd, keys: ReturnType<typeof makeKeys>, faults: string[]) {
  let runs = 0
  let newestRun = 0
  await loadPrefix(etcd, keys.runs, ({ key, createRevision, modRevision }) => {
    const run = parseRunKey(keys, key)
    if (!run) return faults.push(`unexpected key ${key}`)
    if (createRevision !== modRevision) faults.push(`${key} was written twice`)
    runs += 1
    newestRun = Math.max(newestRun, run.runId)
  })
  return { runs, newestRun }
}
